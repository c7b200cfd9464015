"""Kernels and QEMU from Debian's packages, which are unpacked into a folder of the cache, and not installed."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hack.cluster.paths import hold_lock, locate_binaries
from hack.images.apt import KEYRING, find_mirrors

CACHE: Final = locate_binaries().parent / "vm"
KERNEL: Final = "linux-image-cloud-amd64"
"""Debian's package that depends on the current kernel for virtual machines."""
QEMU: Final = "qemu-system-x86"


@dataclass(frozen=True)
class Kernel:
    """A kernel of Debian."""

    version: str
    """As ``uname -r`` says it."""
    image: Path
    modules: Path
    """The folder of its modules."""


@dataclass(frozen=True)
class Qemu:
    """QEMU for this machine."""

    program: Path
    folders: tuple[Path, ...]
    """Where it finds its firmware."""
    libraries: tuple[Path, ...] = ()
    """Folders of libraries that this machine lacks."""


def kernel(suite: str) -> Kernel:
    """Return the newest kernel of a release of Debian, such as bookworm. Downloads it once."""
    with hold_lock(CACHE / suite):
        folder = CACHE / suite / "root"
        if not folder.exists():
            _unpack_kernel(suite, CACHE / suite)
        (image,) = (folder / "boot").glob("vmlinuz-*")
        version = image.name.removeprefix("vmlinuz-")
        return Kernel(version, image, folder / "lib" / "modules" / version)


def _unpack_kernel(suite: str, place: Path) -> None:
    options = _private_apt(suite, place)
    subprocess.run(["apt-get", *options, "update"], check=True, capture_output=True)
    said = subprocess.run(["apt-cache", *options, "depends", KERNEL], check=True, capture_output=True, text=True).stdout
    (package,) = set(re.findall(r"Depends: (linux-image-\S+)", said))
    subprocess.run(["apt-get", *options, "download", package], check=True, capture_output=True, cwd=place)
    _unpack(place)


def _private_apt(suite: str, place: Path) -> list[str]:
    """Return options that have apt use this release, and lists of its own."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    sources = place / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {find_mirrors().main} {suite} main\n")
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": place / "lists",
        "Dir::Cache": place / "cache",
        # The packages are readable only by root, as the cache is.
        "APT::Sandbox::User": "root",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def qemu() -> Qemu:
    """Return QEMU: that of this machine if it is installed, otherwise one from Debian's packages."""
    if found := shutil.which("qemu-system-x86_64"):
        return Qemu(Path(found), ())
    place = CACHE / "qemu"
    with hold_lock(place):
        if not (place / "root").exists():
            archives = place / "archives"
            (archives / "partial").mkdir(parents=True, exist_ok=True)
            # Only what this machine lacks.
            options = ["-o", f"Dir::Cache::archives={archives}", "-o", "APT::Sandbox::User=root"]
            line = ["apt-get", *options, "install", "--download-only", "--no-install-recommends", "-y", QEMU]
            subprocess.run(
                line, check=True, capture_output=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            )
            _unpack(place)
    root = place / "root"
    firmware = (root / "usr/share/qemu", root / "usr/share/seabios")
    libraries = (root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu")
    return Qemu(root / "usr/bin/qemu-system-x86_64", firmware, libraries)


def _unpack(place: Path) -> None:
    """Unpack all packages below a folder into its folder root."""
    new = place / "new"
    shutil.rmtree(new, ignore_errors=True)
    for package in place.rglob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(new)], check=True)
        package.unlink()
    new.rename(place / "root")
