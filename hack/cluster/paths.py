"""Where clusters keep their state and where built programs are cached.

State: ``$XDG_STATE_HOME or ~/.local/state``, in ``sovereign-operator/clusters/NAME``. It all goes with ``down``.
Cache: ``$XDG_CACHE_HOME or ~/.cache``, in ``sovereign-operator/bin``. It stays.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path


def locate_clusters() -> Path:
    """Return the folder that holds one folder per cluster."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return (Path(base) / "sovereign-operator" / "clusters").absolute()


def locate_binaries() -> Path:
    """Return the folder of cached programs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(base) / "sovereign-operator" / "bin").absolute()


@contextlib.contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, which is created if missing; wait while another process holds it.

    The folder itself is locked, so that no lock file is left behind when it is removed. The kernel releases
    the lock when the process ends, however it ends. Not reentrant.
    """
    descriptor = _lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # removed by another process in between
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists() and os.fstat(descriptor).st_ino == folder.stat().st_ino:
                return descriptor
            os.close(descriptor)


def replace_text(path: Path, text: str, mode: int = 0o600) -> bool:
    """Write a file atomically, and only if its content differs; return whether it was written.

    Some programs (kube-proxy) exit when their configuration file is written.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.read_text() == text:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    made.touch(mode)
    made.write_text(text)
    made.replace(path)
    return True
