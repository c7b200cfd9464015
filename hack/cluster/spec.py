"""The specification of a cluster: its name, its nodes, and their labels and taints."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from hack.cluster.errors import ClusterError

Backend = Literal["kind", "local"]

DEFAULT_NAME = "sovereign"
DEFAULT_NODES = 3
KUBERNETES_VERSIONS = ("1.33", "1.34", "1.35", "1.36", "1.37")
"""The minor versions of Kubernetes that a cluster can have, the newest last."""
NEWEST_KUBERNETES = KUBERNETES_VERSIONS[-1]
LARGEST_CLUSTER = 64
"""Nodes per cluster: each takes one /24 of the pods' range."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_TAINT = re.compile(r"(?P<key>[^=:]+)(=(?P<value>[^=:]*))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)")

# Labels that a kubelet may set on its own Node (k8s.io/kubelet/pkg/apis/well_known_labels.go).
_KUBELET_LABELS = frozenset(
    {
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
_KUBELET_LABEL_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_RESERVED_NAMESPACES = ("kubernetes.io", "k8s.io")


@dataclass(frozen=True)
class NodeSpec:
    """One node. ``taints`` are written as for ``kubectl taint``: ``key=value:NoSchedule`` or ``key:NoExecute``.

    ``name`` is the Node object's name: lower-case letters, digits and dashes, at most 40 characters.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    provider_id: str = ""
    taints: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterSpec:
    """A cluster. ``backend`` None means kind where a Docker engine can run it, else local.

    With ``dual_stack`` nodes and pods also have IPv6 addresses, and Services may request them. ``kubernetes`` is its
    minor version; None: the newest, or that of the cluster if it exists.
    """

    name: str = DEFAULT_NAME
    nodes: tuple[NodeSpec, ...] = ()
    backend: Backend | None = None
    dual_stack: bool = False
    kubernetes: str | None = None


def name_nodes(count: int) -> tuple[NodeSpec, ...]:
    """Return plain nodes ``node-1`` to ``node-<count>``. Raises ClusterError for a count out of range."""
    if not 1 <= count <= LARGEST_CLUSTER:
        raise ClusterError(f"a cluster has 1 to {LARGEST_CLUSTER} nodes, not {count}")
    return tuple(NodeSpec(f"node-{number}") for number in range(1, count + 1))


def check_name(name: str, what: str) -> None:
    """Raise ClusterError unless a name is valid for folders, cgroups, host names and Node objects."""
    if not _NAME.fullmatch(name):
        raise ClusterError(
            f"{what} {name!r}: use 1 to 40 lower-case letters, digits and dashes, with no dash at either end"
        )


def check_spec(spec: ClusterSpec) -> None:
    """Raise ClusterError if a specification is invalid."""
    check_name(spec.name, "cluster name")
    if not 1 <= len(spec.nodes) <= LARGEST_CLUSTER:
        raise ClusterError(f"a cluster has 1 to {LARGEST_CLUSTER} nodes, not {len(spec.nodes)}")
    if spec.kubernetes not in {None, *KUBERNETES_VERSIONS}:
        raise ClusterError(f"Kubernetes {spec.kubernetes}: there are {', '.join(KUBERNETES_VERSIONS)}")
    names = [node.name for node in spec.nodes]
    for node in spec.nodes:
        check_name(node.name, "node name")
        for taint in node.taints:
            parse_taint(taint)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ClusterError(f"these node names are given twice: {', '.join(twice)}")


def parse_taint(text: str) -> dict[str, str]:
    """Parse a taint into its form in the Kubernetes API. Raises ClusterError if it is malformed."""
    match = _TAINT.fullmatch(text)
    if not match:
        raise ClusterError(
            f"taint {text!r}: write key=value:Effect, where Effect is NoSchedule, PreferNoSchedule or NoExecute"
        )
    return {key: value for key, value in match.groupdict().items() if value}


def may_kubelet_set(label: str) -> bool:
    """Return whether a kubelet may put this label on its own Node; an administrator has to set the others."""
    namespace, slash, _ = label.partition("/")
    if not slash or label in _KUBELET_LABELS or _is_below(namespace, _KUBELET_LABEL_NAMESPACES):
        return True
    return not _is_below(namespace, _RESERVED_NAMESPACES)


def list_admin_labels(node: NodeSpec) -> dict[str, str]:
    """Return the labels that a kubelet may not set on its own Node, so that an administrator has to."""
    return {key: value for key, value in node.labels.items() if not may_kubelet_set(key)}


def _is_below(namespace: str, parents: Iterable[str]) -> bool:
    return any(namespace == parent or namespace.endswith(f".{parent}") for parent in parents)


def parse_nodes(text: str) -> tuple[NodeSpec, ...]:
    """Return the nodes of a nodes file: a YAML list of ``{name, labels, providerID, taints}``, all optional.

    Raises ClusterError, naming the entry, for anything else.
    """
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ClusterError(f"the nodes file is not YAML: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise ClusterError("the nodes file has to be a YAML list of nodes")
    return tuple(_parse_node(entry or {}, number) for number, entry in enumerate(entries, start=1))


def _parse_node(entry: Any, number: int) -> NodeSpec:
    where = f"node {number} of the nodes file"
    if not isinstance(entry, dict):
        raise ClusterError(f"{where} has to be a mapping")
    if unknown := sorted(str(key) for key in set(entry) - {"name", "labels", "providerID", "taints"}):
        raise ClusterError(f"{where} has unknown fields: {', '.join(unknown)}")
    labels = entry.get("labels") or {}
    taints = entry.get("taints") or []
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise ClusterError(f"{where}: labels have to be a mapping of strings (quote numbers and true/false)")
    if not isinstance(taints, list) or not all(isinstance(taint, str) for taint in taints):
        raise ClusterError(f"{where}: taints have to be a list of strings such as key=value:NoSchedule")
    return NodeSpec(
        name=str(entry.get("name") or f"node-{number}"),
        labels={str(key): value for key, value in labels.items()},
        provider_id=str(entry.get("providerID") or ""),
        taints=tuple(taints),
    )


def render_node(node: NodeSpec) -> dict[str, Any]:
    """Return a node as an entry of a nodes file."""
    return {
        "name": node.name,
        "labels": dict(node.labels),
        "providerID": node.provider_id,
        "taints": list(node.taints),
    }
