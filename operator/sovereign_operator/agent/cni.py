"""Sandboxes as CNI's library remembers them, in a file for each: it holds all that we need, and takes no right to ask.

A runtime writes such a file when a pod's network is made, before it starts any container, and removes it with the
network. After a boot it may still have files of sandboxes that are gone.
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
"""How runtimes name the interface of the cluster's network in each pod, whichever further networks the pod has."""
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
    """What libcni writes, as far as it matters here."""

    container_id: str = Field(alias="containerId", min_length=1)
    interface: str = Field(alias="ifName", min_length=1)
    arguments: list[tuple[str, str]] | None = Field(alias="cniArgs", default=None)
    netns: str = ""
    """Not written before version 1.2 of the library."""
    result: _Result


def parse(text: str | bytes, since: float | None = None) -> Sandbox | None:
    """Read a file. None if it is of no pod, or of a loopback interface. Raises ValueError if it is malformed."""
    file = _File.model_validate_json(text)
    arguments = dict(file.arguments or ())
    uid, namespace, name = (arguments.get(f"K8S_POD_{word}", "") for word in ("UID", "NAMESPACE", "NAME"))
    if not uid or file.interface == LOOPBACK:
        return None
    inside = (found.sandbox for found in file.result.interfaces if found.name == file.interface)
    return Sandbox(
        id=file.container_id,
        pod_uid=uid,
        namespace=namespace,
        name=name,
        netns=file.netns or next(inside, ""),
        interface=file.interface,
        addresses=frozenset(found.address.partition("/")[0] for found in file.result.ips),
        since=since,
    )


def _precedence(found: Sandbox) -> tuple[bool, bool, str, list[str]]:
    """Return a key that sorts the files of one sandbox: first what has addresses, then the cluster's own network.

    What follows has no meaning, but is the same whichever file was read first.
    """
    return not found.addresses, found.interface != POD_INTERFACE, found.interface, sorted(found.addresses)


class CniResults:
    """The sandboxes of a folder of such files, by the name of the file.

    A pod may have further networks, with a file for each interface. They are in the same network namespace, where
    rules hold for all interfaces. An address proves which namespace this is, and not every network gives one (layer 2
    without IPAM); those of further networks may also repeat in the cluster.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, tuple[tuple[int, int, int], Sandbox | None]] = {}
        """What was read, and of which state of the file: its inode, size and time of change."""

    def find(self, sandbox: str) -> Sandbox | None:
        """Return a sandbox by its id, or None if it is gone: the one of the interface that proves most."""
        files = (found for _, found in self._files.values() if found and found.id == sandbox)
        return min(files, key=_precedence, default=None)

    def of_pod(self, uid: str) -> Iterable[Sandbox]:
        """Return the sandboxes of a pod."""
        return [found for _, found in self._files.values() if found and found.pod_uid == uid]

    async def run(self, changed: Callable[[Sandbox], None]) -> None:
        """Watch the folder until cancelled. Raises OSError if it cannot be read or is removed."""
        with Inotify() as inotify:
            # The watch begins before the first read, so that no file is missed between the two.
            inotify.add_watch(self._folder, _WATCHED)
            self._look(changed, begun=False)
            while True:
                # Not so long after the last event: there may be one every second.
                with suppress(TimeoutError):
                    async with asyncio.timeout(RESYNC_SECONDS):
                        while True:
                            self._take(await inotify.get(), changed)
                self._look(changed)

    def _take(self, event: Event, changed: Callable[[Sandbox], None]) -> None:
        if event.mask & (Mask.IGNORED | Mask.UNMOUNT):
            raise FileNotFoundError(f"{self._folder} is gone")
        if event.mask & Mask.Q_OVERFLOW or event.name is None:
            self._look(changed)
            return
        for found in self._read(event.name.name):
            changed(found)

    def _look(self, changed: Callable[[Sandbox], None], *, begun: bool = True) -> None:
        """Read what is there, and see what has gone. ``begun``: whatever is new now came while we looked."""
        seen = set()
        for name in {*(path.name for path in self._folder.iterdir()), *self._files}:
            seen |= self._read(name, begun=begun)
        for found in seen | {found for _, found in self._files.values() if found}:
            changed(found)

    def _read(self, name: str, *, begun: bool = True) -> set[Sandbox]:
        """Read a file unless it is as it was. Returns the sandboxes that this is news of."""
        path = self._folder / name
        state, old = self._files.get(name, (None, None))
        new = None
        try:
            status = path.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen == state:
                return set()
            self._files[name] = seen, None
            new = parse(path.read_bytes(), status.st_mtime if begun else None)
        except FileNotFoundError:
            self._files.pop(name, None)
        except (OSError, ValidationError) as error:
            logger.error("%s counts for nothing, as it cannot be read: %s", path, error)  # noqa: TRY400
        else:
            self._files[name] = seen, new
        return {found for found in (old, new) if found}
