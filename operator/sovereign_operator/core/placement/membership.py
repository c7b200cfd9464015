"""In which datacentre is a node, and how strong is the evidence for it?

Labels and providerID prove nothing about who runs a machine; they can only contradict a claim. A
contradiction is a positive mismatch, never an absence.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, NodeForm
from sovereign_operator.api.v1alpha1.datacentre import PROVIDER_ID_FORM, DatacentreSpec, DeclaredNode, NodePool
from sovereign_operator.api.v1alpha1.sovereignty_policy import NodeEvidence
from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Claims, Facts, Node
from sovereign_operator.core.placement.qualification import title
from sovereign_operator.core.report.reasons import NodeFinding, NodeReason, line

STRENGTH: Final = tuple(NodeEvidence)
"""Evidence, weakest first."""
FORM: Final = re.compile(PROVIDER_ID_FORM)
SEE_READY = "its condition Ready says why"
REGION_LABEL = "topology.kubernetes.io/region"
ZONE_LABEL = "topology.kubernetes.io/zone"


class Claim(NamedTuple):
    """How a Datacentre claims a node. ``pool`` is the name of its pool that does; empty if none does."""

    evidence: NodeEvidence
    pool: str = ""


@dataclass(frozen=True)
class Membership:
    """In which datacentre a node is; ``datacentre`` is None if in none. ``findings`` say what is wrong.

    ``maybe_claimed_by`` names the datacentres that cannot be read and may claim the node as well.
    """

    node: str
    uid: str
    datacentre: str | None
    evidence: NodeEvidence | None
    findings: tuple[NodeFinding, ...]
    maybe_claimed_by: tuple[str, ...] = ()
    pool: str = ""
    """The pool of the datacentre as which it is there; empty if its place rests on something else."""
    contenders: tuple[str, ...] = ()
    """The datacentres that claim it, if others do as well, so that it is in none; but for those that cannot be read."""

    @property
    def concerned(self) -> tuple[str, ...]:
        """The datacentres that this is told of: the one in which it is, or those that contend for it."""
        return (self.datacentre,) if self.datacentre else self.contenders


def locate_all(facts: Facts) -> dict[str, Membership]:
    """Find the one datacentre that claims each node, keyed by node."""
    declared = declarations(facts.datacentres)
    claiming = by_labels(facts.datacentres)
    return {name: locate(facts.nodes[name], declared.get(name, {}), claiming, facts) for name in sorted(facts.nodes)}


def declarations(datacentres: Mapping[str, DatacentreSpec]) -> dict[str, dict[str, str]]:
    """Return by node the datacentres that declare it, each with the uid that it names the node with, in order."""
    found: dict[str, dict[str, str]] = {}
    for name in sorted(datacentres):
        for entry in datacentres[name].nodes:
            found.setdefault(entry.name, {})[name] = entry.uid
    return found


def by_labels(datacentres: Mapping[str, DatacentreSpec]) -> dict[str, DatacentreSpec]:
    """Return the datacentres that claim nodes by their labels."""
    return {name: spec for name, spec in datacentres.items() if claims_by_labels(spec)}


def claims_by_labels(datacentre: DatacentreSpec) -> bool:
    """Whether a Datacentre claims nodes by their labels, whatever these nodes are called."""
    return bool(datacentre.node_selector or datacentre.node_pools)


def locate(node: Node, declared: Mapping[str, str], claiming: Mapping[str, DatacentreSpec], facts: Facts) -> Membership:
    """Find where a node stands.

    ``declared`` holds, by datacentre, the uid that it names this node with; ``claiming`` those that claim by labels.
    """
    claims = {name: claim for name, spec in claiming.items() if (claim := claim_by_labels(node, spec)) is not None}
    claims |= {name: Claim(NodeEvidence.DECLARED) for name, uid in declared.items() if uid == node.uid}
    unread = sorted(name for name, found in facts.unread.datacentres.items() if _claims(found, node))
    if len(claims) == 1 and not unread:
        ((name, claim),) = claims.items()
        findings = tuple(_contradictions(node, name, facts.datacentres[name], facts.services))
        unread_claimants = tuple(sorted(name for name, found in facts.unread.datacentres.items() if found.anything))
        return Membership(node.name, node.uid, name, claim.evidence, findings, unread_claimants, claim.pool)
    if len(claims) + len(unread) == 1:
        message = f"{node.name} is claimed by the datacentre {unread[0]}, which cannot be read: {SEE_READY}"
        return _nowhere(node, NodeFinding(NodeReason.UNREADABLE, message))
    if claims or unread:
        several = " and ".join(sorted([*claims, *unread]))
        message = (
            f"{node.name} is claimed by the datacentres {several}, and stands in none of them until only one claims it"
        )
        return _nowhere(node, NodeFinding(NodeReason.CLAIMED_TWICE, message), tuple(sorted(claims)))
    strangers = list(_strangers(node, claiming))
    if strangers:
        seen = f"the providerID {line(node.provider_id, 100)}" if node.provider_id else "no providerID"
        message = (
            f"{node.name} has the labels of {' and '.join(strangers)}, but {seen}, which is none of those that the "
            "pool may have: find out which machine it is, and correct providerIDs of the pool if it belongs there"
        )
        return _nowhere(node, NodeFinding(NodeReason.NOT_IN_POOL, message))
    if declared:
        former = ", ".join(declared)
        message = (
            f"{node.name} registered again, or its uid was mistyped: it is {node.uid}, not the one that {former} "
            "declares; check that it is the same machine, then correct spec.nodes there"
        )
        return _nowhere(node, NodeFinding(NodeReason.NODE_REPLACED, message))
    message = f"{node.name} is in no datacentre: name it in a Datacentre's spec.nodes if it stands in one"
    return _nowhere(node, NodeFinding(NodeReason.NOT_IN_DATACENTRE, message))


@dataclass(frozen=True)
class Unfound:
    """The nodes that a Datacentre declares and that are not in the cluster as it declares them, by name."""

    lost: tuple[str, ...]
    """There is no node of that name."""
    replaced: tuple[DeclaredNode, ...]
    """There is one, and it has registered again since. A pool's nodes are not among them: it may replace them."""


def unfound(datacentre: DatacentreSpec, nodes: Mapping[str, Node]) -> Unfound:
    """Find out which of the nodes that a Datacentre declares are gone, or registered again."""
    declared = sorted(datacentre.nodes, key=lambda entry: entry.name)
    there = [entry for entry in declared if entry.name in nodes]
    other = [entry for entry in there if entry.uid != nodes[entry.name].uid]
    return Unfound(
        tuple(entry.name for entry in declared if entry.name not in nodes),
        tuple(entry for entry in other if not any(joins(nodes[entry.name], pool) for pool in datacentre.node_pools)),
    )


def claim_by_labels(node: Node, datacentre: DatacentreSpec) -> Claim | None:
    """Return a Datacentre's strongest claim on a node by the node's labels; None if there is none."""
    claims = [Claim(NodeEvidence.POOL_DECLARED, pool.name) for pool in datacentre.node_pools if joins(node, pool)]
    if datacentre.node_selector and (evidence := selects(node, datacentre.node_selector)) is not None:
        claims.append(Claim(evidence))
    return min(claims, key=lambda claim: (-STRENGTH.index(claim.evidence), not claim.pool, claim.pool), default=None)


def concerns(node: Node, datacentre: DatacentreSpec) -> bool:
    """Whether a Datacentre claims a node by labels, or has a pool whose labels the node carries."""
    return claim_by_labels(node, datacentre) is not None or any(_pools_labelled(node, datacentre))


def selects(node: Node, selector: Mapping[str, str]) -> NodeEvidence | None:
    """Return the strength of a selector's claim on a node, or None if it does not match.

    Labels that a kubelet cannot write count as a declaration: whoever chooses a selector, and not a pool, says that
    people put these labels on nodes that they have looked at. Labels that the operator writes follow from its
    verdicts, so they are no evidence.
    """
    if not _carries(node, selector):
        return None
    return NodeEvidence.DECLARED if all(map(is_restricted, selector)) else NodeEvidence.SELF_ASSERTED


def joins(node: Node, pool: NodePool) -> bool:
    """Whether a node is of a pool: by labels that no kubelet can write, and by its providerID.

    What the API server refuses to store, such as a label that a kubelet can write, makes the pool empty.
    """
    return _is_labelled_for(node, pool) and any(_begins(node.provider_id, form) for form in pool.provider_ids)


def _is_labelled_for(node: Node, pool: NodePool) -> bool:
    return _carries(node, pool.node_selector) and all(map(is_restricted, pool.node_selector))


def _carries(node: Node, selector: Mapping[str, str]) -> bool:
    return all(not names.is_own_node_label(key) and node.labels.get(key) == value for key, value in selector.items())


def _begins(provider_id: str, form: str) -> bool:
    """Whether a providerID begins with a form. Other forms than the API server takes match nothing.

    Else ``gce://acme`` would match ``gce://acme-of-another/``.
    """
    return bool(FORM.fullmatch(form)) and provider_id.casefold().startswith(form.casefold())


def _strangers(node: Node, claiming: Mapping[str, DatacentreSpec]) -> Iterator[str]:
    """Yield the pools, in words, whose labels a node carries that is none of theirs."""
    for name in sorted(claiming):
        yield from (f"pool {pool} of {name}" for pool in sorted(_pools_labelled(node, claiming[name])))


def _pools_labelled(node: Node, datacentre: DatacentreSpec) -> Iterator[str]:
    """Yield a Datacentre's pools whose labels a node carries."""
    return (pool.name for pool in datacentre.node_pools if _is_labelled_for(node, pool))


def _claims(claims: Claims, node: Node) -> bool:
    """Whether a Datacentre that cannot be read claims a node for certain."""
    by_name = bool({(node.name, node.uid), (node.name, "")} & claims.nodes)
    by_selector = bool(claims.selector and selects(node, claims.selector))
    return by_name or by_selector or any(joins(node, pool) for pool in claims.pools)


def is_restricted(key: str) -> bool:
    """Whether the NodeRestriction admission plugin keeps kubelets from writing this label."""
    prefix = key.rpartition("/")[0]
    return prefix == "node-restriction.kubernetes.io" or prefix.endswith(".node-restriction.kubernetes.io")


def _nowhere(node: Node, finding: NodeFinding, contenders: tuple[str, ...] = ()) -> Membership:
    return Membership(node.name, node.uid, None, None, (finding,), contenders=contenders)


def _contradictions(
    node: Node, name: str, datacentre: DatacentreSpec, services: Mapping[str, CloudServiceSpec]
) -> Iterator[NodeFinding]:
    service = services.get(datacentre.service_ref.name)
    if service is None:
        return
    form = service.node_form
    for what, value, known in (
        ("region", node.labels.get(REGION_LABEL, ""), form.regions),
        ("zone", node.labels.get(ZONE_LABEL, ""), form.zones),
    ):
        if value and known and value.casefold() not in {entry.casefold() for entry in known}:
            yield _contradiction(node, name, service, f"{what} {value}", known)
    if provider_id_contradicts(node.provider_id, form):
        yield _contradiction(node, name, service, f"providerID {node.provider_id}", form.provider_ids)


def _contradiction(
    node: Node, datacentre: str, service: CloudServiceSpec, seen: str, known: tuple[str, ...]
) -> NodeFinding:
    known_form = line(", ".join(sorted(known)), 300)
    message = (
        f"{node.name} has {line(seen, 100)}, but nodes of {title(service)} have {known_form}: "
        f"it cannot be in {datacentre}"
    )
    return NodeFinding(NodeReason.NODE_CONTRADICTED, message)


def provider_id_contradicts(provider_id: str, form: NodeForm) -> bool:
    """Whether a providerID mismatches every known form. An empty part on either side says nothing."""
    if not provider_id or not form.provider_ids:
        return False
    return all(_mismatch(provider_id.casefold(), known.casefold()) for known in form.provider_ids)


def _mismatch(seen: str, known: str) -> bool:
    """Compare part by part. A form without a scheme, as Oracle's ``ocid1.instance``, is compared as a whole."""
    if "://" not in known:
        return not seen.startswith(known)
    scheme, authority, path = _split(seen)
    known_scheme, known_authority, known_path = _split(known)
    authority_differs = bool(authority and known_authority) and authority != known_authority
    path_differs = bool(path and known_path) and not path.startswith(known_path)
    return scheme != known_scheme or authority_differs or path_differs


def _split(provider_id: str) -> tuple[str, str, str]:
    """Split ``scheme://authority/path``."""
    scheme, _, rest = provider_id.partition("://")
    authority, _, path = rest.partition("/")
    return scheme, authority, path
