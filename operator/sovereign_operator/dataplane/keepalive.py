"""How a sidecar hears that a peer is gone which said no goodbye: its node died, or a firewall has forgotten the way.

An application's own keepalive ends at its own sidecar, which answers whatever becomes of the peer. So each sidecar asks
for itself, where a connection leaves the pod: on those that it opens to others, and on those that others open to it.
Within a pod nobody has to be asked: one kernel holds both ends, and tells each of the other.
"""

from typing import Final

from sovereign_operator.dataplane.envoy import Json

SILENT_SECONDS: Final = 10
"""How long a connection is silent until the peer is asked: sooner than any firewall forgets it."""
AGAIN_SECONDS: Final = 5
QUESTIONS: Final = 2
LOST_SECONDS: Final = SILENT_SECONDS + QUESTIONS * AGAIN_SECONDS
"""After so long without a word the peer is gone. A switch, a firewall or a virtual machine that moves may be silent for
seconds; and who waits for a node that died is to hear of it before Kubernetes does, which takes 50."""

KEEPALIVE: Final[Json] = {
    "keepalive_time": SILENT_SECONDS,
    "keepalive_interval": AGAIN_SECONDS,
    "keepalive_probes": QUESTIONS,
}

_IPPROTO_TCP: Final = 6
_TCP_RTO_MAX_MS: Final = 44
GIVE_UP_SOONER: Final[Json] = {"level": _IPPROTO_TCP, "name": _TCP_RTO_MAX_MS, "int_value": 1500}
"""For data that nobody acknowledges. While there is some, keepalive does not ask: TCP sends it again, 15 times. With no
more than so many milliseconds between two attempts it gives up after 21 s, instead of a quarter of an hour.

Linux knows this option from 6.15 on. TCP_USER_TIMEOUT is older, but would also end a connection whose peer is there and
acknowledges everything, if only its application reads nothing for that long.
"""
