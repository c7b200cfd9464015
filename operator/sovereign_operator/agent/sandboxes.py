"""What is known of the sandboxes of a node's pods: of each, where its network namespace is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

LOOPBACK: Final = "lo"


@dataclass(frozen=True)
class Sandbox:
    """What a runtime made for a pod to run in. A pod gets another one when this one dies, and when its node boots."""

    id: str
    pod_uid: str
    namespace: str
    name: str
    """Of the pod."""
    netns: str
    """Path of its network namespace on the node, as the runtime says. It is not trusted: see netns.py."""
    interface: str
    """Name of the pod's network interface in there."""
    addresses: frozenset[str]
    """The addresses that the interface was given."""
    since: float | None = field(default=None, compare=False)
    """When it was created, Unix time; None if it existed before the agent started."""


class Sandboxes(Protocol):
    """A source of the sandboxes of this node.

    The source is the cache of CNI's library (cni.py), which containerd and CRI-O use. A runtime's own API could be
    another one, but a client that may use it to list sandboxes may use it for anything, and so is root on the node.
    """

    def find(self, sandbox: str) -> Sandbox | None:
        """Return a sandbox by its id, or None if it is gone."""

    def of_pod(self, uid: str) -> Iterable[Sandbox]:
        """Return the sandboxes of a pod. There may be an old one beside a new one."""

    async def run(self, changed: Callable[[Sandbox], None]) -> None:
        """Watch until cancelled. ``changed`` is called with each sandbox that came or went, at times with others."""
