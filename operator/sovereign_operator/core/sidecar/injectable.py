"""In which pods a sidecar works, and what to change in the others."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sovereign_operator.core.kubernetes.node_fit import required_terms
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.probes import CannotInjectError

Json = dict[str, Any]

LINUX: Final = "linux"
OS_LABELS: Final = ("kubernetes.io/os", "beta.kubernetes.io/os")
"""Labels that each kubelet gives its node."""
PLAIN: Final = "run the pod where no policy with encryption is in effect"


def check(spec: Json, *, injected: bool, sandbox: str = "") -> None:
    """Raise CannotInjectError if a sidecar would not work in a pod.

    ``injected``: it had one before. ``sandbox``: why it runs in a sandbox, empty if it does not.
    """
    if spec.get("hostNetwork"):
        raise CannotInjectError(
            "spec.hostNetwork is true, and the node's traffic cannot be sent through a sidecar: leave it out, or "
            f"{PLAIN}"
        )
    if elsewhere := _demands_another_system(spec):
        raise CannotInjectError(f"{elsewhere}: sidecars run on linux only, so {PLAIN}")
    if sandbox:
        raise CannotInjectError(
            f"{sandbox} with a network of its own, where nothing redirects traffic to a sidecar: leave "
            f"spec.runtimeClassName out, or {PLAIN}"
        )
    for container in _users(spec):
        _check_container(container)
    for volume in spec.get("volumes") or ():
        if not injected and volume["name"] in sidecar.VOLUMES:
            raise CannotInjectError(
                f"volume {volume['name']} is called like one of the sidecar's: give it another name"
            )


def _demands_another_system(spec: Json) -> str:
    """Return what keeps a pod off Linux nodes, in words; empty if nothing does.

    Admission writes the nodeSelector of a RuntimeClass into the pod before the webhook runs.
    """
    system = (spec.get("os") or {}).get("name", LINUX)
    if system != LINUX:
        return f"spec.os.name is {system}"
    for label, value in (spec.get("nodeSelector") or {}).items():
        if label in OS_LABELS and value != LINUX:
            return f"spec.nodeSelector has {label}={value}"
    # One of the terms has to hold, and one that is empty never does.
    terms = [term for term in required_terms(spec) or () if term.get("matchExpressions") or term.get("matchFields")]
    if terms and not any(_takes_linux(term) for term in terms):
        return "spec.affinity.nodeAffinity requires nodes of another system than linux"
    return ""


def _takes_linux(term: Mapping[str, Any]) -> bool:
    """Return whether a node selector term can match a Linux node, as far as its labels of the operating system go."""
    return all(
        expression["key"] not in OS_LABELS or (LINUX in expression["values"]) == (expression["operator"] == "In")
        for expression in term.get("matchExpressions") or ()
        if expression["operator"] in {"In", "NotIn"}
    )


def _check_container(container: Mapping[str, Any]) -> None:
    name, reserved = container["name"], sidecar.RESERVED_PORTS
    if name == sidecar.CONTAINER:
        raise CannotInjectError(f"container {name} is called like the sidecar: give it another name")
    for port in container.get("ports") or ():
        if port["containerPort"] in reserved and port.get("protocol", "TCP") == "TCP":
            raise CannotInjectError(
                f"container {name} listens on port {port['containerPort']}, and {reserved[0]} to {reserved[-1]} are "
                "the sidecar's: choose another port"
            )
    for mount in container.get("volumeMounts") or ():
        if mount["name"] in sidecar.VOLUMES:
            raise CannotInjectError(
                f"container {name} mounts volume {mount['name']}, which is the sidecar's: mount one of your own, "
                "under another name"
            )


def _users(spec: Json) -> Iterator[Json]:
    """Yield all containers but the sidecar."""
    yield from (each for each in spec.get("initContainers") or () if each["name"] != sidecar.CONTAINER)
    yield from spec["containers"]
