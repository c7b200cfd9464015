"""How many connections a sidecar takes, so that all of them fit into the memory that it has, however little is read.

A connection through the sidecar is two sockets, each with what the kernel keeps of it in both directions, and what
Envoy holds between them. Who does not read fills all of it, on as many connections as it likes; and out of memory,
Envoy is killed, with everybody's. So each buffer has a limit, and so has the number of connections. Should that be
wrong, Envoy lets go of connections by itself as its heap comes near its limit.
"""

from dataclasses import dataclass
from typing import Final

from sovereign_operator.dataplane.envoy import Json, extension

KIB: Final = 1024
MIB: Final = 1024 * KIB

BUFFER: Final = 32 * KIB
"""What Envoy holds of a connection, each way."""
NEAR: Final = 64 * KIB
FAR: Final = 128 * KIB
"""What the kernel holds of a connection within the pod, and of one that leaves it, each way. It is the most that can be
on its way at a time: two datacentres that are 10 ms apart have 13 MB/s by it on each connection."""

CONNECTION: Final = MIB
"""What a connection takes at most. The kernel counts twice what it was told, so as to have room for its own: 768 KiB of
NEAR and FAR each way. The rest is Envoy's: it may read up to as much again before it looks at its limit, and TLS needs
some."""
BASE: Final = 96 * MIB
"""What Envoy takes without any connection, its program included."""

UNLIMITED: Final = 50_000
"""Connections, where memory has no limit."""
SHARE: Final = 0.75
"""Of all connections, how many may go one way: who fills one way does not fill the other."""
ASKING: Final = 100
"""Connections that ask a kubelet's question, on all ports together. Anybody may make them, in plaintext. They have a
limit of their own, so that neither kind waits for the other."""
LEAST_ASKING: Final = 8
"""Of these, how many each port takes, however many ports there are. A kubelet needs one for each probe at a time."""
QUESTION_BUFFER: Final = 8 * KIB
"""What the kernel holds of such a connection, each way."""
QUESTION: Final = 128 * KIB
"""What such a connection takes at most, with the one on which the application is asked. A test measures it."""

_HEAP: Final = "envoy.resource_monitors.fixed_heap"
_CONNECTIONS: Final = "envoy.resource_monitors.global_downstream_max_connections"
_SOL_SOCKET: Final = 1
_SO_SNDBUF, _SO_RCVBUF = 7, 8


@dataclass(frozen=True)
class Budget:
    """What a sidecar may use. None: there is no limit."""

    memory: int | None
    ports: int = 1
    """On how many ports kubelets ask."""

    @property
    def asking(self) -> int:
        """How many connections each port takes on which kubelets ask."""
        return max(LEAST_ASKING, ASKING // self.ports)

    @property
    def connections(self) -> int:
        """How many other connections it takes."""
        if self.memory is None:
            return UNLIMITED
        left = self.memory - BASE - self.ports * self.asking * QUESTION
        return min(UNLIMITED, max(1, left // CONNECTION))

    @property
    def heap(self) -> int | None:
        """How large Envoy's heap may become: the program itself and what the kernel needs are beside it."""
        return None if self.memory is None else self.memory * 2 // 3


UNBOUNDED: Final = Budget(None)


def overload(budget: Budget) -> Json:
    """Return what Envoy does before it runs out of memory."""
    limited = extension(
        _CONNECTIONS,
        "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=budget.connections,
    )
    if budget.heap is None:
        return {"resource_monitors": [limited]}
    heap = extension(
        _HEAP, "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=budget.heap
    )
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [limited, heap],
        "actions": [
            _when("envoy.overload_actions.shrink_heap", 0.8),
            _when("envoy.overload_actions.reject_incoming_connections", 0.9),
        ],
        # Sooner lose a connection than all of them.
        "loadshed_points": [_when("envoy.load_shed_points.tcp_proxy_on_data", 0.95)],
    }


def _when(name: str, used: float) -> Json:
    return {"name": name, "triggers": [{"name": _HEAP, "threshold": {"value": used}}]}


def runtime(budget: Budget, asking: list[str]) -> Json:
    """Return the limits of each listener. ``asking`` are the names of those that kubelets ask."""
    one_way = max(1, int(budget.connections * SHARE))
    limits = dict.fromkeys(("inbound", "outbound"), one_way) | dict.fromkeys(asking, budget.asking)
    layer = {f"envoy.resource_limits.listener.{name}.connection_limit": most for name, most in limits.items()}
    return {"layers": [{"name": "limits", "static_layer": layer}]}


def kernel_buffers(size: int) -> list[Json]:
    """Return the options of a socket for which the kernel holds no more than that each way."""
    return [{"level": _SOL_SOCKET, "name": name, "int_value": size} for name in (_SO_SNDBUF, _SO_RCVBUF)]
