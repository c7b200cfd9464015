"""What a stand-in is: an image under a public name, made here from packages or source, which says so itself."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.images import debian
from hack.images.layers import Entry, File, Layer
from hack.images.oci import Image, ImageConfig

LABEL = "dev.sovereignty.stand-in"
"""Label and annotation of every stand-in: what really is inside."""

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class StandIn:
    """An image and the public names it goes by, as people write them; ``summary`` says what is inside."""

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
    """Describe an image of Debian packages, with ``files`` on top.

    ``script`` (sh) runs as root after the installation; ``note`` says in what else the image differs.
    """

    def assemble() -> Image:
        root = debian.install(*packages, script=script)
        layers = [*root.layers, Layer.from_files(files)] if files else root.layers
        versions = ", ".join(f"{name} {version}" for name, version in sorted(root.versions.items()))
        return label(Image(names, layers, config), f"made from Debian 12 packages: {versions}", note)

    return StandIn(names, f"Debian 12: {', '.join(packages)}{_add_note(note)}", assemble)


def label(image: Image, contents: str, note: str = "") -> Image:
    """Return the image with the label that says what is inside."""
    text = f"not the image of this name: {contents}{_add_note(note)}"
    config = dataclasses.replace(image.config, labels={**image.config.labels, LABEL: text})
    return dataclasses.replace(image, config=config)


def read_script(name: str) -> File:
    """Return a file of ``files/`` as an executable one."""
    return File((FILES / name).read_bytes(), 0o755)


def _add_note(note: str) -> str:
    return f"; {note}" if note else ""
