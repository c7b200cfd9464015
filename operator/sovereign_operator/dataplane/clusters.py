"""Where the sidecar's connections go on to: a cluster for each kind of chain in listeners.py.

A cluster has no hosts of its own. Each connection goes on to the address that it had before it was redirected; or, on
its way to the application, to the address of the client, which the rules then replace: see peers.py.
"""

from typing import Final

from sovereign_operator.dataplane import peers
from sovereign_operator.dataplane.envoy import CHAINS, INLINE, MTLS, TLS, Json, cluster, mutual_tls, typed
from sovereign_operator.dataplane.keepalive import GIVE_UP_SOONER, KEEP_TRYING, KEEPALIVE
from sovereign_operator.dataplane.memory import BUFFER, FAR, NEAR, UNLIMITED, kernel_buffers

CONNECT_TIMEOUT: Final = "135s"
"""Longer than Linux tries to connect by default, which is for 127 or 131 s. So a destination that is away, or that
accepts no connections for a while, is waited for as without a sidecar. For mutual TLS, it includes the handshake."""
CURVES: Final = ("X25519MLKEM768", "X25519", "P-256")
"""For keys of mutual TLS, by preference. With the first, recorded traffic stays secret even if a quantum computer
breaks elliptic curves one day. The servers have Envoy's default, because a change of it would end connections."""

CLIENT_SECONDS: Final = "0.1s"
"""After how long Envoy drops a client that has no connections any more; at most after twice as long.

Each client is a destination (see peers.py), of which Envoy keeps 11 KiB, and its main thread copies the list of all
destinations for each new one. A network of IPv6 may have thousands of new clients a second: with 60 s, 9,000 of them
took 100 MB, and as many seconds of CPU as their connections; with this, 8 to 16 MB.
"""


OWN_POOL: Final[Json] = {"connection_pool_per_downstream_connection": True}
"""By default, connections to one address share a pool. If one of them cannot be made, Envoy gives up all that are just
being made in the same pool: one that is refused, by a full sidecar for example, would take others with it. A pool for
each connection takes 1 KB."""


def clusters(*, give_up_sooner: bool) -> list[Json]:
    """Return the clusters for the connections of applications.

    ``give_up_sooner``: whether the kernel supports the option GIVE_UP_SOONER.
    """
    options = [GIVE_UP_SOONER, KEEP_TRYING] if give_up_sooner else []
    entering = (_entering(chain) for chain in CHAINS["inbound"])
    return [*entering, *(_leaving(chain, options) for chain in CHAINS["outbound"])]


def original(name: str) -> Json:
    """Return a cluster that connects to the destination that a connection had before it was redirected."""
    return {
        "name": name,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": CONNECT_TIMEOUT,
        "per_connection_buffer_limit_bytes": BUFFER,
        # Each connection has its own destination, which Envoy drops once it is unused.
        "cleanup_interval": "60s",
        # The default is 1,024 connections; Envoy would close any further ones at once.
        "circuit_breakers": {"thresholds": [{"max_connections": UNLIMITED, "max_pending_requests": UNLIMITED}]},
    }


def _entering(chain: str) -> Json:
    """Return a cluster for connections to the pod's own application."""
    return (
        original(cluster("inbound", chain))
        | OWN_POOL
        | {"cleanup_interval": CLIENT_SECONDS}
        # Otherwise conntrack forgets a connection whose one side has closed while the other is silent, and with it the
        # address of the client: within a minute, by default.
        | {"upstream_connection_options": {"tcp_keepalive": KEEPALIVE}}
        | {"upstream_bind_config": {"socket_options": [peers.socket_option(), *kernel_buffers(NEAR), INLINE]}}
    )


def _leaving(chain: str, options: list[Json]) -> Json:
    """Return a cluster for connections that leave the pod. Their peers may vanish without closing."""
    tls = {"transport_socket": _client_tls()} if chain == MTLS else {}
    return (
        original(cluster("outbound", chain))
        | OWN_POOL
        | {"upstream_connection_options": {"tcp_keepalive": KEEPALIVE}}
        | {"upstream_bind_config": {"socket_options": [*options, *kernel_buffers(FAR), INLINE]}}
        | tls
    )


def _client_tls() -> Json:
    # No session is resumed: see listeners.py.
    common = mutual_tls()
    common["tls_params"]["ecdh_curves"] = [*CURVES]
    context = typed(f"{TLS}.UpstreamTlsContext", common_tls_context=common, max_session_keys=0)
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}
