"""Which pods policies judge, where each of them runs, and what that rests on."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sovereign_operator.cli.answers.estate import Estate, Kept
from sovereign_operator.cli.answers.placing import Judged
from sovereign_operator.cli.answers.report_rows import PlaceRow, ReportedPod, ReportedWorkload
from sovereign_operator.core.placement.qualification import Basis
from sovereign_operator.core.placement.verdict import NodeVerdict, Place
from sovereign_operator.core.report.reasons import sentences
from sovereign_operator.core.workload.facts import WorkloadPod
from sovereign_operator.core.workload.judged_owner import JudgedOwner, PolicyAnswers, Result, message_of, result_of
from sovereign_operator.core.workload.judgement import Judgement, judge_pod
from sovereign_operator.core.workload.owner import Owner
from sovereign_operator.core.workload.scope import Judge, Mode

RECORDED: Final[Mapping[str, Place]] = {Judged.ACCEPTED: Place.INSIDE, Judged.REFUSED: Place.OUTSIDE}
AS_RECORDED: Final = "as the operator recorded it on the pods: you may not read all that verdicts rest on"


@dataclass(frozen=True)
class PodSeen:
    """What a report needs of a pod that has not ended."""

    namespace: str
    pod: WorkloadPod
    owner: Owner
    judges: tuple[Judge, ...]
    """The policies that judge it."""
    by_pod_label: bool
    """Whether its own label holds it to a policy, as its namespace enforces none."""
    placed_for: str | None
    """The policy for which admission placed it."""
    static: bool
    transit: str
    """The policy whose transit config its sidecar loads; empty without a sidecar."""
    recorded: Mapping[str, str]
    """Its audit annotations, by what they are about: ``verdict``, ``datacentre``."""


@dataclass(frozen=True)
class _Of:
    """Which pods make a row."""

    namespace: str
    owner: Owner
    judge: Judge

    @property
    def key(self) -> tuple[str, ...]:
        """What rows are sorted by."""
        return self.namespace, self.owner.kind, self.owner.name, self.owner.api_version, *self.judge


def report_workloads(
    pods: Iterable[PodSeen],
    estate: Estate,
    *,
    needing_sidecars: Container[str] | None,
    claims: Mapping[tuple[str, str], str],
) -> tuple[ReportedWorkload, ...]:
    """Return the pods by namespace, owner and policy.

    ``needing_sidecars``: the policies whose pods need a sidecar; None if that is not known. ``claims``: by namespace
    and workload, the SovereignWorkload that refers to it.
    """
    groups: dict[_Of, list[PodSeen]] = defaultdict(list)
    for pod in pods:
        for judge in pod.judges:
            groups[_Of(pod.namespace, pod.owner, judge)].append(pod)
    judging = _Judging(estate, needing_sidecars)
    return tuple(
        judging.row(of, groups[of], claims.get((of.namespace, str(of.owner)), ""))
        for of in sorted(groups, key=lambda of: of.key)
    )


class _Judging:
    """Judges pods by what could be read."""

    def __init__(self, estate: Estate, needing_sidecars: Container[str] | None) -> None:
        self._estate, self._needing = estate, needing_sidecars

    def row(self, of: _Of, pods: list[PodSeen], claim: str) -> ReportedWorkload:
        """Return the row of one owner's pods."""
        pods = sorted(pods, key=lambda pod: pod.pod.name)
        judgements = {pod.pod.name: self._judge(of.judge, pod) for pod in pods}
        owned = JudgedOwner(
            of.namespace,
            of.judge,
            of.owner,
            judgements,
            Counter(judgements.values()),
            by_pod_label=any(pod.by_pod_label for pod in pods),
        )
        policy, judged = of.judge.policy, self._estate.judged
        places = self._places(policy, [(pod, judgements[pod.pod.name]) for pod in pods])
        return ReportedWorkload(
            namespace=of.namespace,
            workload=str(of.owner),
            sovereign_workload=claim,
            policy=policy,
            mode=of.judge.mode.value,
            judged_by=owned.source,
            result=result_of(owned).value if judged else _recorded_result(of.judge, places),
            message=message_of(owned, self._answers(policy, pods)) if judged else AS_RECORDED,
            places=places,
        )

    def _judge(self, judge: Judge, pod: PodSeen) -> Judgement:
        policies = self._estate.policies
        return judge_pod(
            judge,
            pod.pod,
            self._estate.verdict(pod.pod.node or "", judge.policy),
            known=policies is None or judge.policy in policies,
            placed_for=pod.placed_for,
            static=pod.static,
            bare=judge.policy in (self._needing or ()) and pod.transit != judge.policy,
        )

    def _answers(self, policy: str, pods: Iterable[PodSeen]) -> PolicyAnswers:
        verdicts = {node: self._estate.verdict(node, policy) for pod in pods if (node := pod.pod.node)}
        return PolicyAnswers(
            {node: verdict for node, verdict in verdicts.items() if verdict},
            len(self._estate.verdicts.accepted_nodes(policy)),
            policy in self._estate.facts.policies,
        )

    def _places(self, policy: str, pods: list[tuple[PodSeen, Judgement]]) -> tuple[PlaceRow, ...]:
        rows: dict[tuple[str, ...], list[tuple[PodSeen, ReportedPod]]] = defaultdict(list)
        for seen, judgement in pods:
            row = self._pod(policy, seen, judgement)
            rows[row.place, row.datacentre, row.evidence].append((seen, row))
        return tuple(self._place(policy, rows[key]) for key in sorted(rows))

    def _pod(self, policy: str, seen: PodSeen, judgement: Judgement) -> ReportedPod:
        node, verdict = seen.pod.node or "", self._estate.verdict(seen.pod.node or "", policy)
        recorded = {} if self._estate.judged else _recorded(seen, policy)
        return ReportedPod(
            pod=seen.pod.name,
            uid=seen.pod.uid,
            node=node,
            node_uid=verdict.uid if verdict else recorded.get("node-uid", ""),
            place=self._word(seen, judgement, recorded),
            datacentre=(verdict.datacentre if verdict else recorded.get("datacentre")) or "",
            evidence=verdict.evidence.value if verdict and verdict.evidence else recorded.get("evidence", ""),
            why=self._why(seen, verdict, recorded),
            decision_id=verdict.decision_id if verdict else recorded.get("decision-id", ""),
            older=judgement.older,
            without_sidecar=None if self._needing is None else judgement.bare,
        )

    def _word(self, seen: PodSeen, judgement: Judgement, recorded: Mapping[str, str]) -> str:
        if judgement.place is None:
            return Judged.UNKNOWN.value
        if self._estate.judged or not seen.pod.node:
            return judgement.place.value
        word = recorded.get("verdict", "").partition(":")[0]
        return RECORDED[word].value if word in RECORDED else Judged.UNKNOWN.value

    def _why(self, seen: PodSeen, verdict: NodeVerdict | None, recorded: Mapping[str, str]) -> str:
        if seen.pod.unreadable:
            return "the pod cannot be read, and counts as outside"
        if verdict:
            return verdict.sentence
        if not self._estate.judged:
            return recorded.get("verdict", "")
        if seen.pod.node and seen.pod.node not in self._estate.facts.nodes:
            return f"node {seen.pod.node} is gone"
        if not seen.pod.node:
            return f"it waits for a node: {seen.pod.waiting or 'the scheduler has not looked at it yet'}"
        return ""

    def _place(self, policy: str, pods: list[tuple[PodSeen, ReportedPod]]) -> PlaceRow:
        """Return the row of pods at one place, of which the first stands for all."""
        seen, first = pods[0]
        facts = self._estate.facts
        verdict, site = self._estate.verdict(first.node, policy), facts.datacentres.get(first.datacentre)
        name = site.service_ref.name if site else _recorded(seen, policy).get("service", "")
        service = facts.services.get(name)
        inside = first.place == Place.INSIDE.value
        basis = verdict.basis if verdict and inside else ()
        texts = tuple(one.text for one in basis)
        if not self._estate.judged and inside and (said := seen.recorded.get("qualification")):
            texts = (said,)
        return PlaceRow(
            place=first.place,
            datacentre=first.datacentre,
            service=name if first.datacentre else "",
            provider=f"{service.provider} {service.service}" if service else "",
            country=site.country if site else "",
            evidence=first.evidence,
            basis=texts,
            decisions=tuple(one.decision for one in basis if one.decision),
            until=min((one.until for one in basis if one.until), default=None),
            derogations=_derogations(basis),
            foreign_laws=service.foreign_laws if service else None,
            why="" if inside else _refused(verdict) or first.why,
            facts_read=self._estate.known >= {Kept.SERVICES, Kept.DATACENTRES},
            basis_read=self._estate.judged,
            pods=tuple(row for _, row in pods),
        )


def _derogations(basis: Iterable[Basis]) -> tuple[str, ...]:
    return tuple(one.derogation for one in basis if one.derogation)


def _refused(verdict: NodeVerdict | None) -> str:
    return sentences(verdict.findings) if verdict and verdict.findings else ""


def _recorded(seen: PodSeen, policy: str) -> Mapping[str, str]:
    """Return what the operator recorded on a pod about this policy; empty if it is about another one."""
    return seen.recorded if seen.recorded.get("policy") == policy else {}


def _recorded_result(judge: Judge, places: tuple[PlaceRow, ...]) -> str:
    """Return the result that follows from what the operator recorded: the worst that is true of any of the pods."""
    found = {place.place for place in places}
    held = judge.mode is Mode.ENFORCE
    for word, result in (
        (Place.OUTSIDE, Result.FAIL if held else Result.WARN),
        (Judged.UNKNOWN, Judged.UNKNOWN),
        (Place.PENDING, Result.SKIP),
    ):
        if word in found:
            return result.value
    return Result.PASS.value
