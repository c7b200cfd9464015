"""Where the sidecar's connections go on to: a cluster for each kind of chain in listeners.py.

A cluster has no hosts of its own. Each connection goes on to the address that it had before it was redirected.
"""

from typing import Final

from sovereign_operator.dataplane.envoy import CHAINS, MTLS, TLS, Json, cluster, mutual_tls, typed
from sovereign_operator.dataplane.keepalive import GIVE_UP_SOONER, KEEP_TRYING, KEEPALIVE
from sovereign_operator.dataplane.memory import BUFFER, FAR, NEAR, UNLIMITED, kernel_buffers

CONNECT_TIMEOUT: Final = "135s"
"""Longer than Linux tries to connect by default, which is for 127 or 131 s. So a destination that is away, or that
accepts no connections for a while, is waited for as without a sidecar. For mutual TLS, it includes the handshake."""
CURVES: Final = ("X25519MLKEM768", "X25519", "P-256")
"""For keys of mutual TLS, by preference. With the first, recorded traffic stays secret even if a quantum computer
breaks elliptic curves one day. The servers have Envoy's default, because a change of it would end connections."""


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
    return original(cluster("inbound", chain)) | {"upstream_bind_config": {"socket_options": kernel_buffers(NEAR)}}


def _leaving(chain: str, options: list[Json]) -> Json:
    """Return a cluster for connections that leave the pod. Their peers may vanish without closing."""
    tls = {"transport_socket": _client_tls()} if chain == MTLS else {}
    return (
        original(cluster("outbound", chain))
        | {"upstream_connection_options": {"tcp_keepalive": KEEPALIVE}}
        | {"upstream_bind_config": {"socket_options": [*options, *kernel_buffers(FAR)]}}
        | tls
    )


def _client_tls() -> Json:
    # No session is resumed: see listeners.py.
    common = mutual_tls()
    common["tls_params"]["ecdh_curves"] = [*CURVES]
    context = typed(f"{TLS}.UpstreamTlsContext", common_tls_context=common, max_session_keys=0)
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}
