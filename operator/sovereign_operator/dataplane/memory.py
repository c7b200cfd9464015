"""The limits of a sidecar's connections and buffers: all of them fit into its memory, even if peers read nothing.

A connection through the sidecar has two sockets. The kernel buffers data of each socket in both directions, and Envoy
buffers data between them. A peer that does not read fills all of these buffers, on any number of connections; and if
memory runs out, the kernel kills Envoy and with it all connections. So each buffer has a limit, and so has the number
of connections. If these limits are still too high, Envoy closes connections as its heap approaches its own limit.
"""

from dataclasses import dataclass
from typing import Final

from sovereign_operator.dataplane.envoy import Json, extension

KIB: Final = 1024
MIB: Final = 1024 * KIB

BUFFER: Final = 32 * KIB
"""How much data of a connection Envoy buffers, in bytes each way."""
NEAR: Final = 64 * KIB
FAR: Final = 128 * KIB
"""How much data of a connection the kernel buffers, in bytes each way: NEAR within the pod, FAR for one that leaves it.

It is the most that can be in flight. Between two datacentres that are 10 ms apart, FAR allows 13 MB/s a connection."""

CONNECTION: Final = MIB
"""The memory of a connection, in bytes, at most. The kernel doubles the sizes that it is given, for its own overhead:
NEAR and FAR each way are 768 KiB. The rest is Envoy's: it may exceed its limit by as much again before it checks, and
TLS needs some."""
BASE: Final = 96 * MIB
"""The memory of Envoy without any connection, in bytes, its program included."""
BESIDE_ENVOY: Final = 20 * MIB
"""The memory of the processes beside Envoy in a sidecar that gets its certificate from the signer, in bytes. A test
measures it: 4.8 MiB of the supervisor, and 14.8 of the process that sends a request, which is there for a second each
time. Their programs and libraries need another 19 MiB, but these are files: the kernel drops what was read of them, as
of Envoy's program, before it kills a process for memory."""

FOLLOWER: Final = 6 * MIB
"""The memory of the process that a sidecar has where the kernel has no IPv6 (sidecar/ipv4.py), in bytes."""

UNLIMITED: Final = 50_000
"""The most connections if memory has no limit."""
ONE_WAY_SHARE: Final = 0.75
"""The share of all connections that may be inbound, or outbound: a flood in one direction leaves room for the other."""
KUBELET_CONNECTIONS: Final = 100
"""The most connections to the ports for kubelets (probes, hooks, state), on all of these ports together. Any client may
open them, in plaintext. They have a limit of their own, so that neither kind of connection displaces the other."""
LEAST_KUBELET_CONNECTIONS: Final = 8
"""How many of these each port accepts, however many ports there are. A kubelet needs one for each probe at a time."""
KUBELET_BUFFER: Final = 8 * KIB
"""How much data of such a connection the kernel buffers, in bytes each way."""
KUBELET_CONNECTION: Final = 128 * KIB
"""The memory of such a connection, in bytes, at most: with the connection to the application. A test measures it."""

_HEAP: Final = "envoy.resource_monitors.fixed_heap"
_CONNECTIONS: Final = "envoy.resource_monitors.global_downstream_max_connections"
_SOL_SOCKET: Final = 1
_SO_SNDBUF, _SO_RCVBUF = 7, 8


@dataclass(frozen=True)
class Budget:
    """The memory of a sidecar, and the limits that follow from it."""

    memory: int | None
    """In bytes; None if there is no limit."""
    ports: int = 1
    """How many ports for kubelets the sidecar has."""
    reserved: int = 0
    """How much of the memory other processes in the sidecar's container need, in bytes."""

    @property
    def kubelet_connections(self) -> int:
        """The most connections of each port for kubelets."""
        return max(LEAST_KUBELET_CONNECTIONS, KUBELET_CONNECTIONS // self.ports)

    @property
    def connections(self) -> int:
        """The most connections of the application, inbound and outbound together."""
        if self.memory is None:
            return UNLIMITED
        left = self.memory - self.reserved - BASE - self.ports * self.kubelet_connections * KUBELET_CONNECTION
        return min(UNLIMITED, max(1, left // CONNECTION))

    @property
    def one_way(self) -> int:
        """The most connections of the application in one direction."""
        return max(1, int(self.connections * ONE_WAY_SHARE))

    @property
    def heap(self) -> int | None:
        """The limit of Envoy's heap, in bytes. Its program and the kernel's buffers need the rest of its memory."""
        return None if self.memory is None else (self.memory - self.reserved) * 2 // 3


UNBOUNDED: Final = Budget(None)


def overload(budget: Budget) -> Json:
    """Return Envoy's overload manager: how it reacts before memory runs out."""
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
        # To lose one connection is better than to lose all of them.
        "loadshed_points": [_when("envoy.load_shed_points.tcp_proxy_on_data", 0.95)],
    }


def _when(name: str, used: float) -> Json:
    return {"name": name, "triggers": [{"name": _HEAP, "threshold": {"value": used}}]}


def limits(budget: Budget, for_kubelets: list[str]) -> Json:
    """Return the layer of Envoy's runtime with the limit of each listener's connections.

    ``for_kubelets`` are the names of the listeners for kubelets.
    """
    most = dict.fromkeys(("inbound", "outbound"), budget.one_way)
    most |= dict.fromkeys(for_kubelets, budget.kubelet_connections)
    layer = {f"envoy.resource_limits.listener.{name}.connection_limit": number for name, number in most.items()}
    return {"name": "limits", "static_layer": layer}


def kernel_buffers(size: int) -> list[Json]:
    """Return the socket options that limit the kernel's buffers to this size in bytes, each way."""
    return [{"level": _SOL_SOCKET, "name": name, "int_value": size} for name in (_SO_SNDBUF, _SO_RCVBUF)]
