"""The cache of built layers and archives, which makes a second build immediate.

Two processes may build at once: if both need the same entry, one waits for the other (a file lock per entry).
An unfinished entry never has its final name: it is written under another name and renamed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def locate_root() -> Path:
    """Return the cache's folder, below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sovereign-operator" / "images"


def make_key(*parts: Any) -> str:
    """Return the SHA-256 (hex) of JSON-serialisable parts: equal input, equal key."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def hold_lock(name: str) -> Iterator[None]:
    """Hold the lock of one cache entry; wait while another process holds it.

    The kernel releases the lock when the process ends, however it ends. Not reentrant.
    """
    folder = locate_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def make_scratch() -> Iterator[Path]:
    """Yield a new folder on the cache's own file system (so that renames work), removed afterwards.

    This also removes the folders of processes that were killed.
    """
    base = locate_root() / "scratch"
    base.mkdir(parents=True, exist_ok=True)
    with hold_lock("scratch"):
        for old in base.glob("*.lock"):
            _remove_if_abandoned(old)
        handle, name = tempfile.mkstemp(dir=base, suffix=".lock")
        fcntl.flock(handle, fcntl.LOCK_EX)
    lock = Path(name)
    scratch = lock.with_suffix("")
    try:
        scratch.mkdir()
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        lock.unlink()
        os.close(handle)


def _remove_if_abandoned(lock: Path) -> None:
    with contextlib.suppress(BlockingIOError, FileNotFoundError), lock.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path near ``path``; the file written there replaces ``path`` unless an exception is raised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        made = Path(folder) / path.name
        yield made
        made.replace(path)


def produce(path: Path, make: Callable[[Path], None]) -> Path:
    """Return ``path``, a file or folder, created by ``make(temporary)`` if it does not exist.

    An interrupted or failing ``make`` leaves nothing at ``path``.
    """
    with hold_lock(make_key(str(path))[:32]):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with make_scratch() as scratch:
                made = scratch / path.name
                make(made)
                made.rename(path)
    return path
