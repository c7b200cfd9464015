"""Where a node stands, which policies accept it, and why others do not."""

from collections.abc import Mapping
from dataclasses import dataclass

from sovereign_operator.cli.answers.answer import Answer
from sovereign_operator.cli.answers.estate import Estate, Kept
from sovereign_operator.cli.answers.placing import REMEDIES, Judged
from sovereign_operator.cli.answers.standing import advise
from sovereign_operator.core import names
from sovereign_operator.core.placement.membership import Membership
from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.report.reasons import sentences, words


@dataclass(frozen=True)
class PolicyRow:
    """What one policy says of a node."""

    policy: str
    verdict: Judged
    reasons: tuple[str, ...]
    why: str
    written: bool | None
    """Whether the operator has written the same verdict on the node; None if there is nothing to compare."""


@dataclass(frozen=True, kw_only=True)
class NodeExplanation(Answer):
    """The answer to ``explain node``."""

    node: str
    uid: str
    datacentre: str | None
    service: str | None
    evidence: str | None
    place: str
    """Where it stands, as a sentence."""
    policies: tuple[PolicyRow, ...]
    next: str

    @property
    def findings(self) -> tuple[str, ...]:
        """Why the node stands nowhere, or why no policy accepts it."""
        if self.policies and any(row.verdict is Judged.ACCEPTED for row in self.policies) and self.next == "nothing":
            return ()
        return (self.place, *(row.why for row in self.policies if row.verdict is Judged.REFUSED))


def explain_node(name: str, uid: str, estate: Estate) -> NodeExplanation:
    """Explain what is known of a node."""
    recorded = estate.nodes[name].recorded
    if not estate.judged:
        return _as_recorded(name, uid, recorded)
    member = estate.verdicts.members[name]
    verdicts = [estate.verdicts.nodes[name, policy] for policy in sorted(estate.facts.policies)]
    rows = tuple(_row(verdict, recorded) for verdict in verdicts)
    spec = estate.facts.datacentres.get(member.datacentre or "")
    return NodeExplanation(
        node=name,
        uid=uid,
        datacentre=member.datacentre,
        service=spec.service_ref.name if spec else None,
        evidence=member.evidence.value if member.evidence else None,
        place=_place(member),
        policies=rows,
        # What is wrong with its place comes first: all policies refuse it for that.
        next=advise(member, estate.facts) or _advise(rows),
    )


def _as_recorded(name: str, uid: str, recorded: Mapping[str, str]) -> NodeExplanation:
    """Say what the operator wrote on the node, as the caller may not read what that rests on."""
    rows = []
    for policy, sentence in sorted(recorded.items()):
        word, _, why = sentence.partition(": ")
        verdict = Judged(word) if word in {*Judged} else Judged.UNKNOWN
        rows.append(PolicyRow(policy, verdict, (), why or sentence, None))
    place = "you may not read what its place rests on; these are the verdicts that the operator wrote on it"
    advice = f"ask somebody who may list {', '.join(sorted(set(Kept) - {Kept.NODES}))} to run the same command"
    return NodeExplanation(
        node=name, uid=uid, datacentre=None, service=None, evidence=None, place=place, policies=tuple(rows), next=advice
    )


def _row(verdict: NodeVerdict, recorded: Mapping[str, str]) -> PolicyRow:
    written = recorded.get(verdict.policy)
    same = written == verdict.sentence if written is not None else None
    if verdict.accepted:
        basis = "; ".join(basis.text for basis in verdict.basis) or "it demands nothing that ends"
        return PolicyRow(verdict.policy, Judged.ACCEPTED, (), basis, same)
    return PolicyRow(verdict.policy, Judged.REFUSED, words(verdict.findings), sentences(verdict.findings), same)


def _place(member: Membership) -> str:
    if member.datacentre is None or member.findings:
        return sentences(member.findings)
    assert member.evidence is not None
    pool = f", pool {member.pool}" if member.pool else ""
    return f"{member.node} stands in {member.datacentre} ({member.evidence.value}{pool})"


def _advise(rows: tuple[PolicyRow, ...]) -> str:
    """Say what to do about a node of which the place is known."""
    if any(row.written is False for row in rows):
        return (
            "the operator has not written these verdicts on the node yet, in annotations "
            f"{names.verdict_annotation('POLICY')}: kubectl sovereign check says whether it works"
        )
    if not rows:
        return "create a SovereigntyPolicy: nothing is demanded so far"
    if any(row.verdict is Judged.ACCEPTED for row in rows):
        return "nothing"
    reason = rows[0].reasons[0]
    return f"{rows[0].policy} refuses it with {reason}: {REMEDIES[reason]}"
