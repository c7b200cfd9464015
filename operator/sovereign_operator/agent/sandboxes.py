"""The sandboxes of a node's pods, and where the network namespace of each is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

LOOPBACK: Final = "lo"


@dataclass(frozen=True)
class Sandbox:
    """The environment that a runtime creates for a pod. A pod gets a new one if this one dies, or its node boots."""

    id: str
    pod_uid: str
    namespace: str
    name: str
    """The pod's name."""
    netns: str
    """The path of its network namespace on the node, as the runtime recorded it. It is not trusted: see netns.py."""
    interface: str
    """The name of the pod's network interface in its network namespace."""
    addresses: frozenset[str]
    """The addresses that were assigned to the interface."""
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
        """Return the sandboxes of a pod. An old one may exist beside a new one."""

    def named(self, namespace: str, pod: str) -> Iterable[Sandbox]:
        """Return the sandboxes of a pod, by its name."""

    async def run(self, changed: Callable[[Sandbox], None]) -> None:
        """Watch until cancelled.

        ``changed`` gets each sandbox that is created or removed, and at each resynchronisation all of them.
        """
