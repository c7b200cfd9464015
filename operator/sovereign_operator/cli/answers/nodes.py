"""Which nodes stand in which datacentre, which in none, and which ones are lost."""

from dataclasses import dataclass

from sovereign_operator.cli.answers.answer import Answer, plural
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.standing import LostNode, advise, lost_nodes
from sovereign_operator.core.placement.membership import REGION_LABEL, ZONE_LABEL
from sovereign_operator.core.report.reasons import sentences, words


@dataclass(frozen=True)
class Standing:
    """One node. Region, zone and providerID are what its kubelet says, and prove nothing."""

    node: str
    uid: str
    datacentre: str | None
    evidence: str | None
    accepted_by: tuple[str, ...]
    reasons: tuple[str, ...]
    why: str
    """Why it stands in no datacentre, or contradicts the one that claims it; empty if neither."""
    next: str
    """What to do about that; empty if nothing."""
    region: str
    zone: str
    provider_id: str


@dataclass(frozen=True, kw_only=True)
class NodeList(Answer):
    """The answer to ``nodes``."""

    nodes: tuple[Standing, ...]
    lost: tuple[LostNode, ...]
    placed: bool
    """Whether it could be read where nodes stand."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Why nodes stand nowhere, or are not there."""
        return (*(row.why for row in self.nodes if row.why), *(row.why for row in self.lost))

    @property
    def summary(self) -> str:
        """What is to be done, as a sentence."""
        if not self.placed:
            return "where they stand could not be read"
        without = sum(row.datacentre is None for row in self.nodes)
        if not without:
            return f"all {len(self.nodes)} nodes stand in a datacentre"
        return nowhere(without, len(self.nodes))


def nowhere(without: int, nodes: int) -> str:
    """Say how many of all nodes stand in no datacentre."""
    return f"{without} of {plural(nodes, 'node')} {'stands' if without == 1 else 'stand'} in no datacentre"


def list_nodes(estate: Estate) -> NodeList:
    """Return all nodes, those in no datacentre first."""
    placed = estate.placed
    rows = [_standing(name, estate, placed=placed) for name in estate.facts.nodes]
    return NodeList(
        nodes=tuple(sorted(rows, key=lambda row: (not row.why, row.datacentre or "", row.node))),
        lost=tuple(lost_nodes(estate.facts)) if placed else (),
        placed=placed,
    )


def _standing(name: str, estate: Estate, *, placed: bool) -> Standing:
    node = estate.facts.nodes[name]
    member = estate.verdicts.members[name] if placed else None
    policies = sorted(estate.facts.policies) if estate.judged else ()
    return Standing(
        node=name,
        uid=node.uid,
        datacentre=member.datacentre if member else None,
        evidence=member.evidence.value if member and member.evidence else None,
        accepted_by=tuple(policy for policy in policies if estate.verdicts.accepts(policy, name)),
        reasons=words(member.findings) if member else (),
        why=sentences(member.findings) if member else "",
        next=advise(member, estate.facts) if member else "",
        region=node.labels.get(REGION_LABEL, ""),
        zone=node.labels.get(ZONE_LABEL, ""),
        provider_id=node.provider_id,
    )
