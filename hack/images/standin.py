"""A stand-in: an image under a public name, built here from packages or source and labelled as such."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.images import debian
from hack.images.layers import Entry, File, Layer
from hack.images.oci import Image, ImageConfig

LABEL = "dev.sovereignty.stand-in"
"""Label and annotation of every stand-in: what it really contains."""

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class StandIn:
    """An image and its public names as manifests write them; ``summary`` says what it contains."""

    names: tuple[str, ...]
    summary: str
    assemble: Callable[[], Image]


def make_debian(
    *names: str,
    packages: Sequence[str],
    config: ImageConfig,
    files: Mapping[str, Entry] | None = None,
    script: str = "",
    note: str = "",
) -> StandIn:
    """Return a stand-in made of Debian packages, with ``files`` on top.

    ``script`` (sh) runs as root after the installation; ``note`` describes further differences from the public image.
    """

    def assemble() -> Image:
        root = debian.install(*packages, script=script)
        layers = [*root.layers, Layer.from_files(files)] if files else root.layers
        versions = ", ".join(f"{name} {version}" for name, version in sorted(root.versions.items()))
        return label(Image(names, layers, config), f"made from Debian 12 packages: {versions}", note)

    return StandIn(names, f"Debian 12: {', '.join(packages)}{_add_note(note)}", assemble)


def label(image: Image, contents: str, note: str = "") -> Image:
    """Return the image with the label that says what it contains."""
    text = f"not the image of this name: {contents}{_add_note(note)}"
    config = dataclasses.replace(image.config, labels={**image.config.labels, LABEL: text})
    return dataclasses.replace(image, config=config)


def read_script(name: str) -> File:
    """Return a file of ``files/`` as an executable file."""
    return File((FILES / name).read_bytes(), 0o755)


def _add_note(note: str) -> str:
    return f"; {note}" if note else ""
