"""TCP keepalive, by which a sidecar detects peers that vanished without closing: a node died, or a firewall lost state.

An application's own keepalive ends at its own sidecar, which answers even if the peer is gone. So each sidecar probes
the connections that leave its pod: those that it opens, and those that others open to it. It also probes those within
its pod. There one kernel holds both ends, but conntrack, which translates their addresses, forgets silent connections.

The application sees such a connection end in order, not by an error: Envoy (1.40) resets its other side only after
ECONNRESET, and the kernel reports ETIMEDOUT. Neither a field nor a guard of Envoy changes that, and nftables answers no
reset with another one, so no packet can stand in for it.
"""

from typing import Final

from sovereign_operator.dataplane.envoy import Json

SILENT_SECONDS: Final = 10
"""How long a connection is silent before the first probe: less than any firewall's timeout."""
PROBE_SECONDS: Final = 5
"""The time between two probes, and after the last."""
PROBES: Final = 2
LOST_SECONDS: Final = SILENT_SECONDS + PROBES * PROBE_SECONDS
"""How long a peer is silent until its connection is closed. A switch, a firewall or a virtual machine that migrates may
be silent for seconds. Kubernetes takes 50 s to notice that a node died; clients of its pods should notice earlier."""

KEEPALIVE: Final[Json] = {
    "keepalive_time": SILENT_SECONDS,
    "keepalive_interval": PROBE_SECONDS,
    "keepalive_probes": PROBES,
}

_IPPROTO_TCP: Final = 6
_TCP_SYNCNT, _TCP_RTO_MAX_MS = 7, 44
GIVE_UP_SOONER: Final[Json] = {"level": _IPPROTO_TCP, "name": _TCP_RTO_MAX_MS, "int_value": 1500}
"""The socket option for data that the peer does not acknowledge.

While there is such data, the kernel sends no keepalive probes. It sends the data again, up to 15 times. With this
limit, in milliseconds between two attempts, it gives up after 21 s instead of a quarter of an hour.

Linux supports this option since 6.15. TCP_USER_TIMEOUT is older, but would also end a connection whose peer is alive
and acknowledges everything, if its application reads nothing for that long.
"""
KEEP_TRYING: Final[Json] = {"level": _IPPROTO_TCP, "name": _TCP_SYNCNT, "int_value": 100}
"""The socket option beside GIVE_UP_SOONER for a connection that is not established yet: how often it is tried again.

That limit counts for these attempts, too. With the six that Linux makes by default, it would give up after 11 s instead
of two minutes. With this number, the timeout of the cluster ends them.
"""
