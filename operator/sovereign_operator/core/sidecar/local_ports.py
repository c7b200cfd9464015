"""Keeps the kernel from choosing a port of the sidecar for a connection of the application.

By default it chooses higher ones. A pod may widen the range, as busy clients do. Then a sidecar that restarts could
find one of its ports taken, and could not listen on it for as long as the connection lasts.
"""

from collections.abc import Mapping
from typing import Any, Final

from sovereign_operator.core.sidecar.contract import RESERVED_PORTS

Json = dict[str, Any]

RANGE: Final = "net.ipv4.ip_local_port_range"
RESERVED: Final = "net.ipv4.ip_local_reserved_ports"
"""Both are safe sysctls, for IPv6 as well, and Pod Security ``baseline`` allows them:
https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/#safe-and-unsafe-sysctls"""
OURS: Final = f"{RESERVED_PORTS.start}-{RESERVED_PORTS[-1]}"


def reserve(spec: Json) -> None:
    """Reserve the sidecar's ports in a pod whose sysctls let the kernel choose them. Changes the spec in place."""
    sysctls = (spec.get("securityContext") or {}).get("sysctls") or []
    if not any(_name(each) == RANGE and _contains_ours(each["value"]) for each in sysctls):
        return
    for each in sysctls:
        if _name(each) == RESERVED:
            listed = each["value"].strip()
            if OURS not in listed.split(","):
                each["value"] = f"{listed},{OURS}".lstrip(",")
            return
    sysctls.append({"name": RESERVED, "value": OURS})


def _name(sysctl: Mapping[str, Any]) -> str:
    """Return the name with dots: Kubernetes takes slashes as well."""
    return str(sysctl["name"]).replace("/", ".")


def _contains_ours(value: str) -> bool:
    """Whether a range contains a port of the sidecar. One that is malformed does not: the kernel refuses it."""
    try:
        first, last = map(int, value.split())
    except ValueError:
        return False
    return first <= RESERVED_PORTS[-1] and last >= RESERVED_PORTS.start
