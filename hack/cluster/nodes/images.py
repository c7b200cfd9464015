"""A cluster's image store: the images that its registry serves and its nodes pull."""

import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hack.cluster.errors import ClusterError
from hack.cluster.nodes.node_components import PAUSE_IMAGE
from hack.cluster.paths import hold_lock, replace_text
from hack.images.names import qualify
from hack.images.oci import File, ImageConfig, Layer, write_archive

_BLOB = re.compile(r"blobs/sha256/(?P<hex>[0-9a-f]{64})")
_NAME_ANNOTATION = "io.containerd.image.name"

_BUSYBOX = Path("/bin/busybox")
# Process 1 gets only signals that it handles, and has to reap the orphans that it adopts: sh does both.
_PAUSE = 'trap "exit 0" TERM INT; while :; do sleep 3600 & wait $!; done'


def add_archive(store: Path, archive: Path) -> list[str]:
    """Put an OCI archive's images into a store; return their fully qualified names, sorted.

    Raises ClusterError if the file is not an OCI archive or its images have no names.
    """
    with hold_lock(store):
        blobs = store / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store) as scratch:
            named = _read_archive(archive, lambda tar: _unpack(tar, Path(scratch), blobs))
        replace_text(store / "index.json", json.dumps(read_index(store) | named, indent=2, sort_keys=True))
    return sorted(named)


def read_index(store: Path) -> dict[str, Any]:
    """Return the store's descriptors by fully qualified name."""
    path = store / "index.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def add_pause_image(store: Path) -> None:
    """Put the image of the sandbox container into a store, unless it is already there.

    Raises ClusterError if this machine has no busybox to build it from.
    """
    if not _BUSYBOX.exists():
        raise ClusterError(f"{_BUSYBOX} is missing; run: python -m hack.cluster prerequisites")
    config = ImageConfig(entrypoint=("/bin/busybox", "sh", "-c", _PAUSE))
    add_program(store, PAUSE_IMAGE, _BUSYBOX, config)


def add_program(store: Path, name: str, program: Path, config: ImageConfig) -> None:
    """Put an image with one static program in ``/bin`` into a store, unless the store has one of that name."""
    if qualify(name) in read_index(store):
        return
    layer = Layer.from_files({f"bin/{program.name}": File(program.read_bytes(), 0o755)})
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch, "image.tar")
        write_archive(archive, name, [layer], config)
        add_archive(store, archive)


def read_archive_names(archive: Path) -> list[str]:
    """Return the fully qualified names of an OCI archive's images, sorted. Raises ClusterError."""
    return sorted(_read_archive(archive, _read_archive_index))


def _read_archive(archive: Path, read: Callable[[tarfile.TarFile], dict[str, Any]]) -> dict[str, Any]:
    """Return an archive's descriptors by name, from the index that ``read`` finds in it."""
    try:
        with tarfile.open(archive, "r:*") as tar:
            index = read(tar)
    except (OSError, tarfile.TarError, json.JSONDecodeError) as error:
        raise ClusterError(f"cannot read the image archive {archive}: {error}") from error
    named = {_read_name(descriptor): _trim(descriptor) for descriptor in index.get("manifests", [])}
    named.pop("", None)
    if not named:
        raise ClusterError(
            f"{archive} has no named image: it has to be an OCI archive whose index.json gives each image "
            f"the annotation {_NAME_ANNOTATION} (docker save and hack.images write that)"
        )
    return named


def _read_archive_index(tar: tarfile.TarFile) -> dict[str, Any]:
    for member in tar:
        content = tar.extractfile(member)
        if content and member.name.removeprefix("./") == "index.json":
            return dict(json.load(content))
    return {}


def _unpack(tar: tarfile.TarFile, scratch: Path, blobs: Path) -> dict[str, Any]:
    index: dict[str, Any] = {}
    for member in tar:
        match = _BLOB.fullmatch(member.name.removeprefix("./"))
        content = tar.extractfile(member)
        if not content:
            continue
        if match and not (blobs / match["hex"]).exists():
            made = scratch / match["hex"]
            with made.open("wb") as target:
                shutil.copyfileobj(content, target, 1 << 20)
            made.rename(blobs / match["hex"])
        elif member.name.removeprefix("./") == "index.json":
            index = json.load(content)
    return index


def _read_name(descriptor: dict[str, Any]) -> str:
    name = descriptor.get("annotations", {}).get(_NAME_ANNOTATION, "")
    return qualify(name) if name else ""


def _trim(descriptor: dict[str, Any]) -> dict[str, Any]:
    return {key: descriptor[key] for key in ("mediaType", "digest", "size")}
