"""Layers of container images: tar files in the cache, named by the hash of their bytes.

The same input gives the same bytes: entries are sorted, times are fixed, owners have numbers and no names.
Layers are not compressed. They go from one local disk to another, where gzip costs more than it saves; and an
uncompressed layer's digest is also the ``diff_id`` in the image's configuration.
"""

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Self, TypeAlias, assert_never

from hack.images import cache

EPOCH = 315532800
"""Timestamp of every file, in seconds: 1980-01-01, the earliest that zip files can express."""

KEPT_ATTRIBUTES = ("security.capability", "user.")
"""Prefixes of the extended attributes that belong to a file, not to the machine on which it was created."""

OPAQUE_ATTRIBUTE = "trusted.overlay.opaque"


@dataclass(frozen=True)
class File:
    """A regular file. ``mode`` holds permission bits only."""

    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Folder:
    """A folder. Only folders that are empty or differ from these defaults need an entry."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0


Entry: TypeAlias = bytes | File | Link | Folder
"""An entry of an image. Bare bytes are a file of mode 644."""


@dataclass(frozen=True)
class Layer:
    """One cached layer: ``digest`` is ``sha256:<hex>`` of the tar file at ``path``, ``size`` its bytes."""

    digest: str
    size: int
    path: Path

    @classmethod
    def from_files(cls, files: Mapping[str, Entry]) -> Self:
        """Create a layer from files by their path in the image, with or without a leading slash.

        Raises ValueError for a path that leaves the image.
        """
        return cls._store(lambda tar: _add_files(tar, files))

    @classmethod
    def from_tree(cls, root: Path) -> Self:
        """Create a layer from a folder's content, which may be the upper folder of an overlay mount.

        Whiteouts and opaque folders of overlayfs become ``.wh.`` entries. Owners, modes, symbolic links, hard
        links and file capabilities are kept; devices, sockets and pipes are left out. Raises OSError.
        """
        return cls._store(lambda tar: _add_tree(tar, root))

    @classmethod
    def load(cls, digest: str) -> Self | None:
        """Return the cached layer with this digest, or None if it is gone."""
        path = _locate(digest)
        return cls(digest, path.stat().st_size, path) if path.exists() else None

    @classmethod
    def _store(cls, fill: Callable[[tarfile.TarFile], None]) -> Self:
        with cache.make_scratch() as scratch:
            made = scratch / "layer.tar"
            with made.open("wb") as stream:
                hashing = _HashingWriter(stream)
                with tarfile.TarFile(fileobj=hashing, mode="w", format=tarfile.PAX_FORMAT, copybufsize=1 << 20) as tar:
                    fill(tar)
            digest = f"sha256:{hashing.hash.hexdigest()}"
            path = _locate(digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            made.rename(path)  # replaces an identical file, if there is one
        return cls(digest, path.stat().st_size, path)


def _locate(digest: str) -> Path:
    return cache.locate_root() / "layers" / f"{digest.removeprefix('sha256:')}.tar"


class _HashingWriter(io.RawIOBase):
    """Writes bytes to a file and hashes them at the same time, so that they need not be read again."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.hash = hashlib.sha256()
        self._stream = stream

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # tarfile writes bytes only
        self.hash.update(data)
        return self._stream.write(data)

    def tell(self) -> int:
        return self._stream.tell()


def _add_files(tar: tarfile.TarFile, files: Mapping[str, Entry]) -> None:
    entries: dict[str, File | Link | Folder] = {}
    for name, entry in files.items():
        entries[_clean_path(name)] = File(entry) if isinstance(entry, bytes) else entry
    for path in list(entries):
        for parent in PurePosixPath(path).parents:
            if parent.name:
                entries.setdefault(str(parent), Folder())
    # By parts, not by text: a folder has to come before its content.
    for path, entry in sorted(entries.items(), key=lambda item: PurePosixPath(item[0]).parts):
        info = tarfile.TarInfo(path)
        info.mtime = EPOCH
        match entry:
            case Link():
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
                tar.addfile(info)
            case Folder():
                info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, entry.mode, entry.uid, entry.gid
                tar.addfile(info)
            case File():
                info.size, info.mode, info.uid, info.gid = (
                    len(entry.content),
                    entry.mode,
                    entry.uid,
                    entry.gid,
                )
                tar.addfile(info, io.BytesIO(entry.content))
            case _:
                assert_never(entry)


def _clean_path(name: str) -> str:
    parts = PurePosixPath(name.lstrip("/")).parts
    if not parts or ".." in parts:
        raise ValueError(f"not a path inside an image: {name!r}")
    return "/".join(parts)


def _add_tree(tar: tarfile.TarFile, root: Path) -> None:
    first_names: dict[int, str] = {}  # by inode: later names of the same inode become hard links
    for path in _walk(root):
        name = str(path.relative_to(root))
        status = path.lstat()
        info = _describe(name, status)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            tar.addfile(_make_marker(path.parent.relative_to(root) / f".wh.{path.name}"))
        elif stat.S_ISLNK(status.st_mode):
            info.type = tarfile.SYMTYPE
            info.linkname = os.readlink(path)  # noqa: PTH115  # pathlib would tidy the target up
            tar.addfile(info)
        elif stat.S_ISDIR(status.st_mode):
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
            if _read_attribute(path, OPAQUE_ATTRIBUTE) == b"y":
                tar.addfile(_make_marker(path.relative_to(root) / ".wh..wh..opq"))
        elif stat.S_ISREG(status.st_mode):
            first = first_names.setdefault(status.st_ino, name)
            if first != name:
                info.type, info.linkname = tarfile.LNKTYPE, first
                tar.addfile(info)
                continue
            info.size = status.st_size
            info.pax_headers = _read_attributes(path)
            with path.open("rb") as stream:
                tar.addfile(info, stream)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder, sorted, each folder before its content."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _describe(name: str, status: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mtime = EPOCH
    info.mode = stat.S_IMODE(status.st_mode)
    info.uid, info.gid = status.st_uid, status.st_gid
    return info


def _make_marker(name: Path) -> tarfile.TarInfo:
    info = tarfile.TarInfo(str(name))
    info.mtime = EPOCH
    return info


def _read_attribute(path: Path, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:  # the attribute is not set or not supported by the file system
        return None


def _read_attributes(path: Path) -> dict[str, str]:
    names = (name for name in os.listxattr(path, follow_symlinks=False) if name.startswith(KEPT_ATTRIBUTES))
    return {
        # Values are bytes: tarfile writes surrogate escapes as the original bytes.
        f"SCHILY.xattr.{name}": os.fsdecode(_read_attribute(path, name) or b"")
        for name in sorted(names)
    }
