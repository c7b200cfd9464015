"""Stand-ins for public images, under the names that public manifests use."""

from collections.abc import Sequence
from pathlib import Path

from hack.images import cache
from hack.images.errors import ImageBuildError
from hack.images.names import make_file_name, qualify
from hack.images.oci import Image, identify, write_images
from hack.images.servers import list_servers
from hack.images.standin import StandIn
from hack.images.tools import list_tools


def list_stand_ins() -> tuple[StandIn, ...]:
    """Return every stand-in; most have several names. Nothing is built."""
    return (*list_servers(), *list_tools())


def available() -> tuple[str, ...]:
    """Return the fully qualified names of all public images with a stand-in, sorted. Nothing is built."""
    return tuple(sorted(_index()))


def build(name: str) -> Image:
    """Build the stand-in for a public image and return it, with its layers in the cache, under all its names.

    ``name`` may be short. Raises ImageBuildError, also for a name without a stand-in.
    """
    stand_in = _index().get(qualify(name))
    if stand_in is None:
        raise ImageBuildError(f"{qualify(name)} is not available: see python -m hack.images list")
    return stand_in.assemble()


def archive(name: str) -> Path:
    """Return an archive of the stand-in for a public image, built on first use. Raises ImageBuildError."""
    return archive_all([name])


def archive_all(names: Sequence[str]) -> Path:
    """Return one archive of several stand-ins, which holds each layer once. Raises ImageBuildError."""
    images = {identify(image): image for image in map(build, names)}
    key = cache.make_key([[digest, sorted(image.names)] for digest, image in sorted(images.items())])
    first = make_file_name(qualify(names[0])) if len(images) == 1 else "public"
    path = cache.locate_root() / "archives" / f"{first}-{key[:12]}.tar"
    return cache.produce(path, lambda made: write_images(made, [image for _, image in sorted(images.items())]))


def _index() -> dict[str, StandIn]:
    return {qualify(name): stand_in for stand_in in list_stand_ins() for name in stand_in.names}
