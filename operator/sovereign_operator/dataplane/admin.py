"""Envoy's admin interface, which only Envoy itself can reach, and people in the sidecar's container."""

from typing import Final

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane.envoy import Json

ADMIN_SOCKET: Final = f"{sidecar.RUN_FOLDER}/admin.sock"
"""The socket of the admin interface, which could change anything: it answers the queries below alone."""

_COUNTED: Final = "cluster[.]inbound-[a-z]*[.]upstream_cx_(total|active)"
_REASONS: Final = "cx_overflow|global_cx_overflow|cx_overload_reject"
"""Why a listener refuses a connection: there are too many in this direction, or in both, or memory is used up."""
_REFUSED: Final = f"listener[.].*_({sidecar.INBOUND_PORT}|{sidecar.OUTBOUND_PORT})[.]downstream_({_REASONS})"
"""Envoy names listeners by their address: ``listener.[__]_15001``, or ``listener.0.0.0.0_15001`` without IPv6."""
_SHED: Final = "overload[.]envoy[.]load_shed_points[.]tcp_proxy_on_data[.]shed_load_count"
"""Connections that were ended, as memory was almost used up."""
STATE_QUERY: Final = (
    f"/stats?format=json&filter=^(listener_manager[.]lds[.]version_text|{_COUNTED}|{_REFUSED}|{_SHED})$"
)
"""The query for its state, which Envoy sends for clients of STATE_PATH. Sidecars of earlier versions have a query of
their own, which counts less."""
CERTIFICATES_QUERY: Final = "/certs"
"""The query for the certificates that it uses: for people who look for a fault."""

CLUSTER: Final = "admin"
_PIPE: Final[Json] = {"path": ADMIN_SOCKET}


def admin() -> Json:
    """Return the part of the bootstrap about the admin interface."""
    return {
        "address": {"pipe": {**_PIPE, "mode": 0o600}},
        "allow_paths": [{"exact": query} for query in (STATE_QUERY, CERTIFICATES_QUERY)],
        # The controller sees the state of a sidecar that accepts no further connections, too.
        "ignore_global_conn_limit": True,
    }


def admin_cluster() -> Json:
    """Return the cluster that leads to the admin interface."""
    endpoint = {"endpoint": {"address": {"pipe": _PIPE}}}
    assignment = {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": CLUSTER, "type": "STATIC", "connect_timeout": "10s", "load_assignment": assignment}
