"""OCI image archives, written with the standard library alone.

``ctr images import``, ``kind load image-archive`` and ``docker load`` read them. An archive may hold several
images; it contains shared layers once.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.images import cache
from hack.images.layers import File, Folder, Layer, Link
from hack.images.names import qualify

__all__ = [
    "File",
    "Folder",
    "Image",
    "ImageConfig",
    "Layer",
    "Link",
    "qualify",
    "write_archive",
    "write_images",
]

CREATED = "1980-01-01T00:00:00Z"
"""The images' creation time: fixed, so that the same input gives the same digest."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Go's names for the kernel's machine names. An image is always for the architecture on which it is built."""

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class ImageConfig:
    """The defaults of an image's containers.

    ``user`` is a name or ``uid:gid``; ``ports`` are ``80/tcp``; ``volumes`` are absolute folders.
    """

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    working_dir: str = "/"
    ports: Sequence[str] = ()
    volumes: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""


@dataclass(frozen=True)
class Image:
    """An image: its layers from the lowest to the topmost, and all its names."""

    names: Sequence[str]
    layers: Sequence[Layer]
    config: ImageConfig


def write_archive(path: Path, name: str, layers: Sequence[Layer], config: ImageConfig) -> None:
    """Write an archive of one image; ``name`` may be short, as for ``docker pull``. Raises OSError."""
    write_images(path, [Image([name], layers, config)])


def write_images(path: Path, images: Sequence[Image]) -> None:
    """Write an archive of several images, atomically. Raises OSError, ValueError (bad name)."""
    small: dict[str, bytes] = {}
    layers: dict[str, Layer] = {}
    index: list[dict[str, Any]] = []
    docker: list[dict[str, Any]] = []
    for image in images:
        names = sorted({qualify(name) for name in image.names})
        layers |= {_locate_blob(layer.digest): layer for layer in image.layers}
        config, manifest = render_image(image)
        for blob in (config, manifest):
            small[_locate_blob(digest(blob))] = blob
        for name in names:
            described = _describe(MANIFEST_TYPE, manifest)
            index.append(described | {"annotations": _annotate(name)})
        docker.append(
            {
                "Config": _locate_blob(digest(config)),
                "RepoTags": names,
                "Layers": [_locate_blob(layer.digest) for layer in image.layers],
            }
        )
    small["oci-layout"] = _encode({"imageLayoutVersion": "1.0.0"})
    small["index.json"] = _encode({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": index})
    small["manifest.json"] = _encode(docker)  # read by docker load and kind
    with cache.replace_file(path) as made, tarfile.TarFile(made, "w", copybufsize=1 << 20) as tar:
        for name, content in sorted(small.items()):
            tar.addfile(_make_entry(name, len(content)), io.BytesIO(content))
        for name, layer in sorted(layers.items()):
            with layer.path.open("rb") as stream:
                tar.addfile(_make_entry(name, layer.size), stream)


def render_image(image: Image) -> tuple[bytes, bytes]:
    """Return the image's configuration and manifest, as JSON."""
    config = _encode(_render_config(image))
    return config, _encode(_render_manifest(image, config))


def digest(content: bytes) -> str:
    """Return the digest of a part of an image: ``sha256:<hex>``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def identify(image: Image) -> str:
    """Return the image's digest: ``sha256:<hex>`` of its manifest, which does not depend on its names."""
    return digest(render_image(image)[1])


def _render_config(image: Image) -> dict[str, Any]:
    config = image.config
    run = {
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "Env": [f"{key}={value}" for key, value in sorted(config.env.items())],
        "User": config.user,
        "WorkingDir": config.working_dir,
        "ExposedPorts": {port: {} for port in config.ports},
        "Volumes": {volume: {} for volume in config.volumes},
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
    }
    return {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": CREATED,
        "config": {key: value for key, value in run.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in image.layers]},
    }


def _render_manifest(image: Image, config: bytes) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _describe(CONFIG_TYPE, config),
        "layers": [{"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size} for layer in image.layers],
        "annotations": dict(image.config.labels),
    }


def _annotate(name: str) -> dict[str, str]:
    return {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}


def _describe(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def _locate_blob(name: str) -> str:
    return f"blobs/{name.replace(':', '/')}"


def _encode(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _make_entry(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    return info
