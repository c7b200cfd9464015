"""A Datacentre for nodes that a person vouches for, with suggestions that the person has to confirm.

What kubelets say of their nodes (region, zone, providerID) proves nothing. If it became part of a declaration without
anybody looking, a kubelet would declare its own place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import CloudServiceRef, DatacentreSpec, DeclaredNode
from sovereign_operator.cli.answers.answer import FOUND, NOTHING_FOUND, Answer
from sovereign_operator.cli.answers.estate import Estate, Kept
from sovereign_operator.cli.answers.standing import advise
from sovereign_operator.core import names as keys
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.membership import (
    REGION_LABEL,
    ZONE_LABEL,
    Membership,
    is_restricted,
    locate_all,
)
from sovereign_operator.core.placement.qualification import title
from sovereign_operator.core.report.reasons import NodeReason, line, sentences

CANDIDATE: Final = "candidate"
ANY_COUNTRY: Final = "FR"
"""In a Datacentre that is only tried: where a node stands does not depend on it."""


@dataclass(frozen=True)
class DeclaredRow:
    """A node to declare. Region, zone and providerID are what its kubelet says."""

    name: str
    uid: str
    region: str
    zone: str
    provider_id: str

    @property
    def said(self) -> str:
        """What its kubelet says of it, as text."""
        parts = (("region", self.region), ("zone", self.zone), ("providerID", self.provider_id))
        return ", ".join(f"{what} {line(value, 100)}" for what, value in parts if value)


@dataclass(frozen=True)
class LeftOut:
    """A node that is not declared, why, and what to do."""

    name: str
    why: str
    next: str


@dataclass(frozen=True)
class Suggestion:
    """A CloudService that the nodes may belong to, as nothing they say contradicts it."""

    service: str
    title: str
    countries: tuple[str, ...]


@dataclass(frozen=True)
class PoolSuggestion:
    """What all the nodes have in common, if they are a pool's: labels that no kubelet wrote.

    The beginnings of their providerIDs are what their kubelets say.
    """

    node_selector: Mapping[str, str]
    provider_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Declaration(Answer):
    """The answer to ``nodes declare``."""

    nodes: tuple[DeclaredRow, ...]
    left_out: tuple[LeftOut, ...]
    suggestions: tuple[Suggestion, ...]
    pool: PoolSuggestion | None
    placed: bool
    """Whether it could be read which nodes other Datacentres claim."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Why nodes were left out."""
        return tuple(left.why for left in self.left_out)

    @property
    def exit_code(self) -> int:
        """1 if a node was left out."""
        return FOUND if self.left_out else NOTHING_FOUND


def declare(names: Iterable[str], estate: Estate) -> Declaration:
    """Return a declaration of these nodes, which exist."""
    placed = estate.known >= {Kept.NODES, Kept.DATACENTRES}
    wanted = [estate.facts.nodes[name] for name in dict.fromkeys(names)]
    members = locate_all(replace(estate.facts, nodes={node.name: node for node in wanted})) if placed else {}
    left_out = tuple(
        left for node in wanted if (left := _left_out(node, members.get(node.name), estate.facts)) is not None
    )
    declared = [node for node in wanted if node.name not in {left.name for left in left_out}]
    return Declaration(
        nodes=tuple(_row(node) for node in declared),
        left_out=left_out,
        suggestions=tuple(_suggest(declared, estate.facts)) if declared else (),
        pool=_suggest_pool(declared),
        placed=placed,
    )


def _row(node: Node) -> DeclaredRow:
    labels = node.labels
    return DeclaredRow(node.name, node.uid, labels.get(REGION_LABEL, ""), labels.get(ZONE_LABEL, ""), node.provider_id)


def _left_out(node: Node, member: Membership | None, facts: Facts) -> LeftOut | None:
    """Say why a node must not be declared once more; None if it may be."""
    if member is None:
        return None
    if member.datacentre:
        harm = "a second Datacentre that names it would leave it in none"
        why = f"{node.name} stands in {member.datacentre} already: {harm}"
        return LeftOut(node.name, why, f"if it moved, take it out of Datacentre {member.datacentre} first")
    (finding, *_) = member.findings
    if finding.reason is NodeReason.NOT_IN_DATACENTRE:
        return None
    return LeftOut(node.name, sentences(member.findings), advise(member, facts))


def _suggest(nodes: list[Node], facts: Facts) -> Iterable[Suggestion]:
    """Yield the services that the nodes' own words speak for, and do not contradict."""
    for name, service in sorted(facts.services.items()):
        if all(_says_something(node, service) for node in nodes) and not _contradicted(nodes, name, service, facts):
            yield Suggestion(name, title(service), service.countries)


def _suggest_pool(nodes: list[Node]) -> PoolSuggestion | None:
    """Return the pool that the nodes may be of; None if they have no label in common that a kubelet cannot write."""
    if not nodes or not all(node.provider_id for node in nodes):
        return None
    first, *others = nodes
    common = {
        key: value
        for key, value in sorted(first.labels.items())
        if is_restricted(key)
        and not keys.is_own_node_label(key)
        and all(node.labels.get(key) == value for node in others)
    }
    forms = {node.provider_id[: 1 + max(map(node.provider_id.rfind, "/."))] for node in nodes} - {""}
    return PoolSuggestion(common, tuple(sorted(forms))) if common and forms else None


def _says_something(node: Node, service: CloudServiceSpec) -> bool:
    form, labels = service.node_form, node.labels
    pairs = (
        (labels.get(REGION_LABEL), form.regions),
        (labels.get(ZONE_LABEL), form.zones),
        (node.provider_id, form.provider_ids),
    )
    return any(said and known for said, known in pairs)


def _contradicted(nodes: list[Node], name: str, service: CloudServiceSpec, facts: Facts) -> bool:
    """Whether the core would find that one of the nodes cannot be in a Datacentre of this service."""
    tried = DatacentreSpec(
        service_ref=CloudServiceRef(name=name),
        country=ANY_COUNTRY,
        nodes=tuple(DeclaredNode(name=node.name, uid=node.uid) for node in nodes),
    )
    alone = Facts({name: service}, {CANDIDATE: tried}, {}, {node.name: node for node in nodes}, facts.now)
    return any(member.findings for member in locate_all(alone).values())
