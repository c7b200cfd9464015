"""Is there a node on which a pod can run? Only what the scheduler never relaxes counts.

These are the node selector, required node affinity, taints, and where the pod's volumes can be reached.
Preferences do not count, nor does room: both change from one moment to the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sovereign_operator.core.kubernetes.selector import holds
from sovereign_operator.core.report.conditions import examples

Json = Mapping[str, Any]

NODE_NAME: Final = "metadata.name"
"""The one field that a node selector term can match."""
PLACES: Final = frozenset(
    {NODE_NAME, "kubernetes.io/hostname", "topology.kubernetes.io/region", "topology.kubernetes.io/zone"}
)
"""What says which node it is and where it stands: nobody changes that to suit a pod."""
VOLUME: Final = "PersistentVolume "
"""How the source of a volume's demand begins."""

REPELLING: Final = frozenset({"NoSchedule", "NoExecute"})
"""The effects of taints that keep a pod away; PreferNoSchedule does not."""

DAEMON_TOLERATIONS: Final[tuple[Json, ...]] = tuple(
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists"}
    for state in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)
"""What the DaemonSet controller adds to each of its pods.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
"""


@dataclass(frozen=True)
class NodeTraits:
    """The fields of a node that decide which pods it can run."""

    name: str
    labels: Mapping[str, str]
    taints: Sequence[Json] = ()


@dataclass(frozen=True)
class Demand:
    """One thing that a pod demands of its node.

    ``terms`` are node selector terms, one of which has to match, as in a PersistentVolume's nodeAffinity. ``source``
    names what demands it: spec.nodeSelector, or a volume.
    """

    source: str
    terms: tuple[Json, ...]

    def admits(self, node: NodeTraits) -> bool:
        """Whether a node meets it."""
        return any(_matches(term, node) for term in self.terms)

    @property
    def of_volume(self) -> bool:
        """Whether a volume demands it, which only some nodes reach."""
        return self.source.startswith(VOLUME)

    @property
    def of_place(self) -> bool:
        """Whether no label that somebody adds to a node should meet it."""
        keys = {
            entry.get("key")
            for term in self.terms
            for field in ("matchExpressions", "matchFields")
            for entry in term.get(field) or ()
        }
        return self.of_volume or not keys.isdisjoint(PLACES)

    def __str__(self) -> str:
        """Name the source and what it demands."""
        return f"{self.source} ({' or '.join(map(_term_words, self.terms)) or 'which matches no node'})"


@dataclass(frozen=True)
class PodDemands:
    """Everything that one pod demands of its node."""

    pod: str
    demands: tuple[Demand, ...]
    tolerations: tuple[Json, ...] = ()


def demands_of(pod_spec: Json) -> tuple[Demand, ...]:
    """Return what the spec of a pod, or of a pod template, demands. Volumes are not looked up."""
    found = []
    if name := pod_spec.get("nodeName"):
        found.append(Demand("spec.nodeName", (_name_term(name),)))
    if selector := pod_spec.get("nodeSelector"):
        terms = [{"key": key, "operator": "In", "values": [value]} for key, value in sorted(selector.items())]
        found.append(Demand("spec.nodeSelector", ({"matchExpressions": terms},)))
    required = required_terms(pod_spec)
    if required is not None:
        found.append(Demand("required node affinity", required))
    return tuple(found)


def required_terms(pod_spec: Json) -> tuple[Json, ...] | None:
    """Return the node selector terms, one of which has to match, of a pod's required node affinity; None without it."""
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return tuple(required.get("nodeSelectorTerms") or ()) if required else None


def volume_demands(claim: str, volume: Json) -> tuple[Demand, ...]:
    """Return what a PersistentVolume demands of the node of a pod that mounts it through this claim.

    Labels with a zone or region count as well: the scheduler reads them on volumes that have no nodeAffinity.
    """
    source = f"{VOLUME}{volume['metadata']['name']} of claim {claim}"
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    if required:
        return (Demand(source, tuple(required.get("nodeSelectorTerms") or ())),)
    labels = volume["metadata"].get("labels") or {}
    zones = [
        {"key": key, "operator": "In", "values": labels[key].split("__")}
        for key in ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")
        if key in labels
    ]
    return (Demand(source, ({"matchExpressions": zones},)),) if zones else ()


def fitting(pod: PodDemands, nodes: Iterable[NodeTraits]) -> list[NodeTraits]:
    """Return the nodes on which a pod can run, room aside."""
    return [node for node in nodes if _fits(pod, node)]


def obstacle(pod: PodDemands, nodes: Sequence[NodeTraits]) -> str:
    """Return what keeps a pod off every one of these nodes; empty if it can run on one of them."""
    if any(_fits(pod, node) for node in nodes):
        return ""
    alone = [str(demand) for demand in pod.demands if not any(map(demand.admits, nodes))]
    repelling = sorted({_taint_words(taint) for node in nodes for taint in _repelled(pod.tolerations, node)})
    tolerated = any(not _repelled(pod.tolerations, node) for node in nodes)
    if alone:
        return f"none of them meets {' nor '.join(alone)}"
    if not tolerated:
        return f"it does not tolerate their taints: {examples(repelling)}"
    every = [str(demand) for demand in pod.demands]
    taints = [f"the taints {examples(repelling)}"] if repelling else []
    return f"none of them meets all of {', '.join(every + taints)} at once"


def unmet_demands(pod: PodDemands, node: NodeTraits) -> list[Demand]:
    """Return each demand of a pod that one node does not meet."""
    return [demand for demand in pod.demands if not demand.admits(node)]


def shortcomings(pod: PodDemands, node: NodeTraits) -> tuple[str, ...]:
    """Return each demand of a pod that one node does not meet, and each taint of it that the pod does not tolerate."""
    unmet = [f"does not meet {demand}" for demand in unmet_demands(pod, node)]
    repelling = [f"has the taint {_taint_words(taint)}" for taint in _repelled(pod.tolerations, node)]
    return (*unmet, *repelling)


def _fits(pod: PodDemands, node: NodeTraits) -> bool:
    return not _repelled(pod.tolerations, node) and all(demand.admits(node) for demand in pod.demands)


def _matches(term: Json, node: NodeTraits) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    # An empty term matches no node.
    return bool(expressions or fields) and (
        all(holds(entry, node.labels) for entry in expressions)
        and all(holds(entry, {NODE_NAME: node.name}) for entry in fields)
    )


def _repelled(tolerations: Sequence[Json], node: NodeTraits) -> list[Json]:
    """Return the taints of a node that keep a pod away."""
    return [
        taint
        for taint in node.taints
        if taint.get("effect") in REPELLING and not any(_tolerates(toleration, taint) for toleration in tolerations)
    ]


def _tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    value, wanted = taint.get("value", ""), toleration.get("value", "")
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.get("key")) and value == wanted
        case operator:
            return holds({"key": "value", "operator": operator, "values": [wanted]}, {"value": value})


def _name_term(name: str) -> Json:
    return {"matchFields": [{"key": NODE_NAME, "operator": "In", "values": [name]}]}


def _term_words(term: Json) -> str:
    return " and ".join(
        " ".join(filter(None, (key, entry["operator"], "/".join(entry.get("values") or ()))))
        for entry in (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))
        for key in ("name" if entry["key"] == NODE_NAME else entry["key"],)
    )


def _taint_words(taint: Json) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"
