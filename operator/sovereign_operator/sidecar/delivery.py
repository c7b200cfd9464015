"""Whether a sidecar that is to end still has something to pass on.

An application may send its last words and end at once. Without a sidecar, the kernel delivers them nevertheless. With
one, they may still be on their way through Envoy, which ends without passing them on, when Kubernetes ends the sidecar
right after the application: https://github.com/istio/istio/issues/19567, https://github.com/kumahq/kuma/issues/4134.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

TABLES: Final = ("/proc/self/net/tcp", "/proc/self/net/tcp6")
"""The kernel's lists of this pod's sockets: https://docs.kernel.org/networking/proc_net_tcp.html"""
_OPEN: Final = frozenset({"01", "04", "05", "07", "08", "09", "0B"})
"""The states of sockets that may hold data: all but those that listen, begin, or only wait for late packets."""
_NOTHING: Final = "00000000:00000000"
_CLOSED: Final = "0"
"""The inode of a socket that its process has closed, or had when it ended."""


def undelivered() -> bool:
    """Whether the sidecar has data to pass on, as far as the kernel can tell.

    Envoy itself holds data only while a peer takes no more, and then the kernel holds some for this peer, too.
    """
    user = str(os.geteuid())
    return any(holds_data(line, user) for line in _lines())


def holds_data(line: str, user: str) -> bool:
    """Whether a line of a table is of a socket with data that was not read or not acknowledged yet.

    Only sockets of ``user``, and those that nobody has open any more, count: an application that still runs may take
    its time. What cannot be parsed, as the first line, holds nothing.
    """
    match line.split():
        case [_, _, _, state, queues, _, _, owner, _, inode, *_] if state in _OPEN and queues != _NOTHING:
            return owner == user or inode == _CLOSED
    return False


def _lines() -> Iterator[str]:
    for table in TABLES:
        # A kernel without IPv6 has one table only.
        with suppress(OSError), open(table, encoding="ascii") as file:  # noqa: PTH123 - pathlib takes memory
            yield from file
