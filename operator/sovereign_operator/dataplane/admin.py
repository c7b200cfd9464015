"""Envoy's admin interface, which only Envoy itself can reach, and people in the sidecar's container."""

from typing import Final

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane.envoy import Json

ADMIN_SOCKET: Final = f"{sidecar.RUN_FOLDER}/admin.sock"
"""The socket of the admin interface, which can change anything."""

_COUNTED: Final = "cluster[.]inbound-[a-z]*[.]upstream_cx_(total|active)"
STATE_QUERY: Final = f"/stats?format=json&filter=^(listener_manager[.]lds[.]version_text|{_COUNTED})$"
"""The query for its state, which Envoy sends for clients of STATE_PATH."""

CLUSTER: Final = "admin"
_PIPE: Final[Json] = {"path": ADMIN_SOCKET}


def admin() -> Json:
    """Return the part of the bootstrap about the admin interface."""
    return {"address": {"pipe": {**_PIPE, "mode": 0o600}}}


def admin_cluster() -> Json:
    """Return the cluster that leads to the admin interface."""
    assignment = {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": _PIPE}}}]}]}
    return {"name": CLUSTER, "type": "STATIC", "connect_timeout": "10s", "load_assignment": assignment}
