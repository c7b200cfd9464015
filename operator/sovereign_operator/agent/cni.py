"""Finds the sandboxes of a node's pods in the files that libcni, the CNI library of container runtimes, caches.

A file holds all that the agent needs, and reading it takes no access to the runtime. The runtime writes it when it sets
up a pod's network, before it starts any container, and removes it with the network. After a boot, files may remain of
sandboxes that no longer exist.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from asyncinotify import Event, Inotify, Mask
from pydantic import BaseModel, Field, ValidationError

from sovereign_operator.agent.sandboxes import LOOPBACK, Sandbox

logger = logging.getLogger(__name__)

POD_INTERFACE: Final = "eth0"
"""The name that runtimes give to the interface of the cluster's network in each pod."""
RESYNC_SECONDS: Final = 30.0
"""How often all files are read, whether or not events announced a change."""

_WATCHED: Final = Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.MOVED_FROM | Mask.DELETE | Mask.ONLYDIR


class _Address(BaseModel):
    address: str


class _Interface(BaseModel):
    name: str
    sandbox: str = ""


class _Result(BaseModel):
    ips: list[_Address] = []
    interfaces: list[_Interface] = []


class _File(BaseModel):
    """The fields of libcni's file that the agent needs."""

    container_id: str = Field(alias="containerId", min_length=1)
    interface: str = Field(alias="ifName", min_length=1)
    arguments: list[tuple[str, str]] | None = Field(alias="cniArgs", default=None)
    netns: str = ""
    """Empty before version 1.2 of libcni."""
    result: _Result


def parse(text: str | bytes, since: float | None = None) -> Sandbox | None:
    """Parse a file. None if it belongs to no pod, or to a loopback interface. Raises ValueError if it is malformed.

    ``since`` is when the file was written, Unix time.
    """
    file = _File.model_validate_json(text)
    arguments = dict(file.arguments or ())
    uid, namespace, name = (arguments.get(f"K8S_POD_{word}", "") for word in ("UID", "NAMESPACE", "NAME"))
    if not uid or file.interface == LOOPBACK:
        return None
    paths = (each.sandbox for each in file.result.interfaces if each.name == file.interface)
    return Sandbox(
        id=file.container_id,
        pod_uid=uid,
        namespace=namespace,
        name=name,
        netns=file.netns or next(paths, ""),
        interface=file.interface,
        addresses=frozenset(ip.address.partition("/")[0] for ip in file.result.ips),
        since=since,
    )


def _precedence(sandbox: Sandbox) -> tuple[bool, bool, str, list[str]]:
    """Return a key that sorts the files of one sandbox: those with addresses first, then the cluster's own network.

    The rest of the key only keeps the order independent of which file was read first.
    """
    return not sandbox.addresses, sandbox.interface != POD_INTERFACE, sandbox.interface, sorted(sandbox.addresses)


class CniResults:
    """The sandboxes in a folder of such files.

    A pod may have further networks, with a file for each interface. All interfaces are in one network namespace, and
    rules apply to all of them. The agent identifies the namespace by an address. Not every network assigns one (layer 2
    without IPAM does not), and addresses of further networks may repeat in the cluster.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, tuple[tuple[int, int, int], Sandbox | None]] = {}
        """By name of the file: its inode, size and time of change when it was read, and the sandbox that was read."""

    def find(self, sandbox: str) -> Sandbox | None:
        """Return a sandbox by its id, or None if it is gone. Of several files, the best by _precedence counts."""
        files = (entry for _, entry in self._files.values() if entry and entry.id == sandbox)
        return min(files, key=_precedence, default=None)

    def of_pod(self, uid: str) -> Iterable[Sandbox]:
        """Return the sandboxes of a pod."""
        return [entry for _, entry in self._files.values() if entry and entry.pod_uid == uid]

    def named(self, namespace: str, pod: str) -> Iterable[Sandbox]:
        """Return the sandboxes of a pod, by its name."""
        entries = (entry for _, entry in self._files.values() if entry)
        return [entry for entry in entries if (entry.namespace, entry.name) == (namespace, pod)]

    async def run(self, changed: Callable[[Sandbox], None]) -> None:
        """Watch the folder until cancelled. Raises OSError if it cannot be read or is removed."""
        with Inotify() as inotify:
            # The watch begins before the first read, so that no file is missed between the two.
            inotify.add_watch(self._folder, _WATCHED)
            self._read_all(changed, started=False)
            while True:
                # The timeout is not reset by events: if there is one every second, all files are still read in time.
                with suppress(TimeoutError):
                    async with asyncio.timeout(RESYNC_SECONDS):
                        while True:
                            self._handle(await inotify.get(), changed)
                self._read_all(changed)

    def _handle(self, event: Event, changed: Callable[[Sandbox], None]) -> None:
        if event.mask & (Mask.IGNORED | Mask.UNMOUNT):
            raise FileNotFoundError(f"{self._folder} is gone")
        if event.mask & Mask.Q_OVERFLOW or event.name is None:
            self._read_all(changed)
            return
        for sandbox in self._read(event.name.name):
            changed(sandbox)

    def _read_all(self, changed: Callable[[Sandbox], None], *, started: bool = True) -> None:
        """Read all files, and call ``changed`` with all sandboxes, those of removed files included.

        ``started``: whether the agent was running when the files that are new now were written.
        """
        sandboxes = set()
        for name in {*(path.name for path in self._folder.iterdir()), *self._files}:
            sandboxes |= self._read(name, started=started)
        for sandbox in sandboxes | {entry for _, entry in self._files.values() if entry}:
            changed(sandbox)

    def _read(self, name: str, *, started: bool = True) -> set[Sandbox]:
        """Read a file if it has changed. Return the sandboxes that it described before and describes now."""
        path = self._folder / name
        state, old = self._files.get(name, (None, None))
        new = None
        try:
            status = path.stat()
            present = (status.st_ino, status.st_size, status.st_mtime_ns)
            if present == state:
                return set()
            self._files[name] = present, None
            new = parse(path.read_bytes(), status.st_mtime if started else None)
        except FileNotFoundError:
            self._files.pop(name, None)
        except (OSError, ValidationError) as error:
            logger.error("%s is ignored, as it cannot be read: %s", path, error)  # noqa: TRY400
        else:
            self._files[name] = present, new
        return {sandbox for sandbox in (old, new) if sandbox}
