"""The operator's own image, from ``operator/Dockerfile`` or, without any container engine, the same made here."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.images import cache, debian
from hack.images.errors import ImageBuildError
from hack.images.layers import Layer, Link
from hack.images.oci import Image, ImageConfig, identify, write_images
from hack.images.python import COMPILE, SITE, VERSION, install_python

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "localhost/sovereign-operator"
USER = 65532

_RECIPE = 1
"""Counts changes of this module that change the layers it builds."""

_ARCHIVES = 3
"""How many archives to keep: some process may still read an older one."""

_GLIBC_MINOR = 36
"""Debian 12 has glibc 2.36."""


def operator_image(engine: str | None = None) -> tuple[str, Path]:
    """Build the operator's image; return its name and an archive of it.

    The name's tag follows from the content, so a new image is a new name; the archive names it ``:dev`` as well.
    ``engine`` is ``docker`` or ``podman`` to build the Dockerfile, or None. Raises ImageBuildError.
    """
    return _build_with_engine(engine) if engine else _build_here()


def _build_here() -> tuple[str, Path]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    root = install_python()
    layers = [*root.layers, _make_account_layer(root), _make_dependency_layer(root, project["dependencies"])]
    layers.append(_make_application_layer(root))
    config = ImageConfig(
        entrypoint=["python", "-m", "sovereign_operator.controller"],
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        user=f"{USER}:{USER}",
        labels={
            "org.opencontainers.image.title": project["name"],
            "org.opencontainers.image.description": project["description"],
            "org.opencontainers.image.version": project["version"],
            "org.opencontainers.image.licenses": project["license"],
        },
    )
    image = Image([f"{NAME}:dev"], layers, config)
    tag = identify(image).removeprefix("sha256:")[:12]
    image = Image([f"{NAME}:dev", f"{NAME}:{tag}"], layers, config)
    return f"{NAME}:{tag}", _keep_archive(tag, lambda made: write_images(made, [image]))


def _keep_archive(tag: str, make: Callable[[Path], None]) -> Path:
    """Return the archive of that tag, made if need be. All but the newest few go: each source change adds one."""
    folder = cache.locate_root() / "archives"
    path = cache.produce(folder / f"sovereign-operator-{tag}.tar", make)
    path.touch()
    archives = sorted(folder.glob("sovereign-operator-*.tar"), key=lambda file: file.stat().st_mtime)
    for old in archives[:-_ARCHIVES]:
        old.unlink(missing_ok=True)
    return path


def _make_account_layer(root: debian.Root) -> Layer:
    """Name the user, since libraries ask for the name; and call Python ``python``, as its own images do."""
    accounts = (root.folders[0] / "etc/passwd").read_bytes()
    groups = (root.folders[0] / "etc/group").read_bytes()
    return Layer.from_files(
        {
            "etc/passwd": accounts + f"nonroot:x:{USER}:{USER}::/nonexistent:/usr/sbin/nologin\n".encode(),
            "etc/group": groups + f"nonroot:x:{USER}:\n".encode(),
            "usr/local/bin/python": Link("/usr/bin/python3"),
        }
    )


def _make_dependency_layer(root: debian.Root, dependencies: Sequence[str]) -> Layer:
    constraints = REPOSITORY / "constraints.txt"
    machine = platform.machine()
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(_GLIBC_MINOR, 16, -1)]
    target = [*platforms, f"--python-version={VERSION}", "--implementation=cp", "--only-binary=:all:"]
    return _make_site_layer(
        root,
        ["dependencies", machine, sorted(dependencies), constraints.read_text()],
        lambda site: _pip("install", *target, f"--target={site}", f"-c{constraints}", *dependencies),
    )


def _make_application_layer(root: debian.Root) -> Layer:
    sources = [REPOSITORY / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    sources += sorted(
        path
        for path in (REPOSITORY / "operator" / "sovereign_operator").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )
    hashes = [[str(path.relative_to(REPOSITORY)), cache.hash_file(path)] for path in sources]
    return _make_site_layer(root, ["application", hashes], _install_wheel)


def _install_wheel(site: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _pip("wheel", "--no-deps", f"--wheel-dir={folder}", str(REPOSITORY))
        _pip("install", "--no-deps", f"--target={site}", *map(str, Path(folder).glob("*.whl")))


def _make_site_layer(root: debian.Root, recipe: Sequence[object], fill: Callable[[Path], None]) -> Layer:
    """Return a layer of Python modules, which ``fill`` puts into a folder, compiled by the image's Python."""

    def make(target: Path) -> None:
        site = target / SITE
        site.mkdir(parents=True)
        fill(site)
        shutil.rmtree(site / "bin", ignore_errors=True)
        for made_here in site.glob("*.dist-info/direct_url.json"):
            made_here.unlink()  # says where on this machine the wheel was
        debian.run(root, site, f"{COMPILE} -s /mnt -p /{SITE} /mnt")

    key = cache.make_key(_RECIPE, [layer.digest for layer in root.layers], recipe)
    record = cache.locate_root() / "sites" / key[:16]
    known = Layer.load(record.read_text()) if record.exists() else None
    if known is None:
        with cache.make_scratch() as scratch:
            make(scratch / "target")
            known = Layer.from_tree(scratch / "target")
        with cache.replace_file(record) as made:
            made.write_text(known.digest)
    return known


def _pip(command: str, *arguments: str) -> None:
    options = ["--quiet", "--disable-pip-version-check"]
    if command == "install":
        # The image's Python compiles: this one may be another version.
        options += ["--no-compile", "--no-warn-script-location", "--root-user-action=ignore"]
    result = subprocess.run(
        [sys.executable, "-m", "pip", command, *options, *arguments],
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        raise ImageBuildError(f"pip {command} failed:\n{result.stderr.strip()}")


def _build_with_engine(engine: str) -> tuple[str, Path]:
    """Build ``operator/Dockerfile`` and save the image.

    ``$IMAGE_BUILD_OPTIONS`` are further options of the engine, such as ``--build-arg=BASE=... --network=host``.
    """
    if shutil.which(engine) is None:
        raise ImageBuildError(f"{engine} is missing")
    build = ["build", "--quiet", "--file=operator/Dockerfile", f"--tag={NAME}:dev"]
    further = shlex.split(os.environ.get("IMAGE_BUILD_OPTIONS", ""))
    identifier = _run_engine(engine, *build, *further, ".")
    tag = identifier.rpartition(":")[2][:12]
    _run_engine(engine, "tag", f"{NAME}:dev", f"{NAME}:{tag}")

    def save(made: Path) -> None:
        _run_engine(engine, "save", f"--output={made}", f"{NAME}:dev", f"{NAME}:{tag}")

    return f"{NAME}:{tag}", _keep_archive(tag, save)


def _run_engine(engine: str, *arguments: str) -> str:
    result = subprocess.run([engine, *arguments], check=False, cwd=REPOSITORY, capture_output=True, text=True)
    if result.returncode != 0:
        tail = "\n".join(result.stderr.splitlines()[-20:])
        raise ImageBuildError(f"{engine} {arguments[0]} failed:\n{tail}")
    return result.stdout.strip()
