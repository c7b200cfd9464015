"""Debian's Python as a root folder, and layers of modules for it."""

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.images import cache, debian
from hack.images.errors import ImageBuildError
from hack.images.layers import Layer

PACKAGES = ("python3",)

VERSION = "3.11"
"""The version of ``python3`` in Debian 12."""

SITE = f"usr/local/lib/python{VERSION}/dist-packages"
"""The folder in which Debian's Python looks for modules that are not from Debian."""

COMPILE = "python3 -m compileall -q -f -j 0 --invalidation-mode unchecked-hash"
"""Compiles modules so that Python uses the result without a check.

By default Python compares it with the source's time, which images do not keep, and would compile at every start.
"""

SCRIPT = f"{COMPILE} /usr/lib/python3 /usr/lib/python{VERSION}"

_RECIPE = 1
"""Counts changes of this module that change the layers it builds."""

_GLIBC_MINOR = 36
"""Debian 12 has glibc 2.36."""


def install_python() -> debian.Root:
    """Return a minimal Debian with Python, built on first use. Raises ImageBuildError."""
    return debian.install(*PACKAGES, script=SCRIPT)


def install_wheels(folder: Path, constraints: Path, requirements: Sequence[str]) -> None:
    """Install distributions and their dependencies into a folder, from wheels that suit the image's platform.

    Raises ImageBuildError.
    """
    machine = platform.machine()
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(_GLIBC_MINOR, 16, -1)]
    target = [*platforms, f"--python-version={VERSION}", "--implementation=cp", "--only-binary=:all:"]
    run_pip("install", *target, f"--target={folder}", f"-c{constraints}", *requirements)


def make_site_layer(root: debian.Root, recipe: Sequence[object], fill: Callable[[Path], None]) -> Layer:
    """Return a layer of Python modules, which ``fill`` puts into a folder, compiled by the root folder's Python.

    It is built once for each root folder and recipe.
    """

    def make(target: Path) -> Layer:
        site = target / SITE
        site.mkdir(parents=True)
        fill(site)
        shutil.rmtree(site / "bin", ignore_errors=True)
        for made_here in site.glob("*.dist-info/direct_url.json"):
            made_here.unlink()  # names the wheel's path on this machine
        debian.run(root, site, f"{COMPILE} -s /mnt -p /{SITE} /mnt")
        return Layer.from_tree(target)

    return keep_layer(cache.make_key(_RECIPE, [layer.digest for layer in root.layers], recipe), make)


def keep_layer(key: str, make: Callable[[Path], Layer]) -> Layer:
    """Return the layer cached under a key; if there is none, ``make`` builds it in a new folder."""
    record = cache.locate_root() / "sites" / key[:16]
    known = Layer.load(record.read_text()) if record.exists() else None
    if known is None:
        with cache.make_scratch() as scratch:
            known = make(scratch / "target")
        with cache.replace_file(record) as made:
            made.write_text(known.digest)
    return known


def run_pip(command: str, *arguments: str) -> None:
    """Run this Python's pip. Raises ImageBuildError."""
    options = ["--quiet", "--disable-pip-version-check"]
    if command == "install":
        # The image's Python compiles the modules: this Python may have another version.
        options += ["--no-compile", "--no-warn-script-location", "--root-user-action=ignore"]
    result = subprocess.run(
        [sys.executable, "-m", "pip", command, *options, *arguments], check=False, capture_output=True, text=True
    )
    if result.returncode != 0:
        raise ImageBuildError(f"pip {command} failed:\n{result.stderr.strip()}")
