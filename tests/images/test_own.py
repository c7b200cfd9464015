"""The operator's own images: each has the programs that its process starts, and shares all other layers."""

import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from hack.images.own import REPOSITORY, agent_image, operator_image, sidecar_image
from tests.needs import AS_ROOT, needing

pytestmark = needing(AS_ROOT, "debootstrap")

BUILDS: Mapping[str, Callable[[], tuple[str, Path]]] = {
    "operator": operator_image,
    "sidecar": sidecar_image,
    "agent": agent_image,
}

ENTER = """\
mount -t overlay overlay -o "lowerdir=$LAYERS" "$ROOT"
exec chroot --userspec="$AS" "$ROOT" env -i "$@"
"""
"""Without an upper layer, the root is read-only."""


@dataclass(frozen=True)
class Unpacked:
    """An image. ``layers`` are its layers' folders, the lowest first."""

    name: str
    config: Mapping[str, Any]
    layers: tuple[Path, ...]

    def run(self, *argv: str) -> str:
        """Run a program as a container would: as the image's user, with its variables, on a read-only root."""
        isolated = ["unshare", "--mount", "--propagation=private", "sh", "-ec", ENTER, "sh", *self.config["Env"]]
        with tempfile.TemporaryDirectory() as root:
            place = {"ROOT": root, "LAYERS": ":".join(map(str, reversed(self.layers)))}
            environment = os.environ | place | {"AS": self.config["User"]}
            done = subprocess.run([*isolated, *argv], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def images() -> Iterator[dict[str, Unpacked]]:
    with tempfile.TemporaryDirectory() as folder:  # too large to be kept, as pytest's own would be
        yield {part: unpack(*build(), Path(folder)) for part, build in BUILDS.items()}


def unpack(name: str, archive: Path, folder: Path) -> Unpacked:
    with tarfile.open(archive) as tar:
        (image,) = json.load(read(tar, "manifest.json"))
        config = json.load(read(tar, image["Config"]))["config"]
        layers = [(path, folder / Path(path).name[:12]) for path in image["Layers"]]
        for path, unpacked in layers:
            if not unpacked.exists():
                with tarfile.open(fileobj=read(tar, path)) as layer:
                    layer.extractall(unpacked, filter="fully_trusted")
    return Unpacked(name, config, tuple(unpacked for _, unpacked in layers))


def read(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    content = tar.extractfile(name)
    assert content
    return content


@pytest.mark.parametrize(
    ("part", "module", "user", "imports"),
    [
        ("operator", "controller", "65532", "sovereign_operator.controller.__main__"),
        ("sidecar", "sidecar", "65533", "sovereign_operator.sidecar.__main__, sovereign_operator.sidecar.certificate"),
        ("agent", "agent", "0", "sovereign_operator.kube.client.api"),
    ],
)
def test_each_runs_a_module_as_its_user(
    images: dict[str, Unpacked], part: str, module: str, user: str, imports: str
) -> None:
    image = images[part]
    assert image.name.startswith(f"localhost/sovereign-{part}:")
    assert image.config["Entrypoint"] == ["python", "-m", f"sovereign_operator.{module}"]
    assert image.config["User"] == f"{user}:{user}"
    assert image.run("python", "-c", f"import os, {imports}; print(os.getuid())") == f"{user}\n"


def test_the_sidecar_has_envoy_in_the_pinned_version(images: dict[str, Unpacked]) -> None:
    (pin,) = (line for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if line.startswith("envoy-"))
    assert f"/{pin.partition('==')[2]}/" in images["sidecar"].run("envoy", "--version")


def test_the_agent_has_what_enters_pods_and_filters_packets(images: dict[str, Unpacked]) -> None:
    assert "nftables v1." in images["agent"].run("nft", "--version")
    assert "util-linux" in images["agent"].run("nsenter", "--version")


def test_all_but_what_one_has_alone_is_shared(images: dict[str, Unpacked]) -> None:
    *common, dependencies, application = images["operator"].layers
    (*below, _, above) = images["agent"].layers
    assert (below, above) == ([*common, dependencies], application)
    (*below, _, _, above) = images["sidecar"].layers
    assert (below, above) == (common, application)
