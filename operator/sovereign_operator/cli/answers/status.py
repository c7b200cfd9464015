"""How it stands: policies, datacentres and their next end, namespaces and workloads by state, derogations."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sovereign_operator.cli.answers.answer import Answer, plural
from sovereign_operator.cli.answers.endings import endings, ends, is_soon, recorded_ending
from sovereign_operator.cli.answers.estate import Estate, Kept
from sovereign_operator.cli.answers.placing import Judged
from sovereign_operator.cli.answers.standing import missing_in
from sovereign_operator.cli.answers.status_rows import (
    DatacentreRow,
    DerogationRow,
    NamespaceRow,
    PolicyRow,
    WorkloadRow,
)
from sovereign_operator.core import names
from sovereign_operator.core.placement.calendar import PARIS
from sovereign_operator.core.placement.derogation_status import standing
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.placement.status import report_datacentre, report_policy
from sovereign_operator.core.placement.verdict import Place, place_of
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.core.report.report import Report
from sovereign_operator.core.workload.scope import Judge, Mode

STANDS_ON: Final = {Kept.DEROGATIONS, Kept.POLICIES, Kept.SERVICES}
"""What must have been read to say whether a derogation is in force."""
RECORDED: Final[Mapping[str, Place]] = {Judged.ACCEPTED: Place.INSIDE, Judged.REFUSED: Place.OUTSIDE}


@dataclass(frozen=True)
class CountedPod:
    """What the counts need of a pod that has not ended, as one policy judges it."""

    namespace: str
    policy: str
    node: str | None
    mode: Mode = Mode.ENFORCE
    unreadable: bool = False
    recorded: str = ""
    """The verdict that the operator wrote on it, which is that of the policy that holds it."""
    name: str = ""


@dataclass(frozen=True)
class StatusSeen:
    """What was read besides the estate. None: the caller may not read it."""

    namespaces: Mapping[str, str] | None
    """The namespaces in scope, with the policy that each enforces."""
    pods: tuple[CountedPod, ...] | None
    workloads: tuple[WorkloadRow, ...] | None
    recorded: Mapping[tuple[str, str], Mapping[str, Any]]
    """By plural and name, the statuses that the operator wrote."""
    scope: str = ""
    """The one namespace that was asked about; empty: all."""
    tried: tuple[tuple[str, Judge], ...] = ()
    """The namespaces that only try a policy, each with the policies that it tries."""
    narrowed: bool = False
    """Whether ``scope`` is one namespace only because the caller may not list them."""

    def count(self, found: Mapping[str, int], policy: str) -> int | None:
        """Return how many of the namespaces found name a policy; None if it is not known, as others may do so."""
        known = self.namespaces is not None and not self.narrowed
        return found.get(policy, 0 if known else None)


@dataclass(frozen=True, kw_only=True)
class Status(Answer):
    """The answer to ``status``. A section is None if the caller may not read it."""

    scope: str
    policies: tuple[PolicyRow, ...] | None
    datacentres: tuple[DatacentreRow, ...] | None
    namespaces: tuple[NamespaceRow, ...] | None
    workloads: tuple[WorkloadRow, ...] | None
    derogations: tuple[DerogationRow, ...] | None
    nodes: int | None
    """How many nodes there are; None if it could not be read where they stand."""
    nodes_nowhere: int | None
    """How many of them stand in no datacentre, which is no finding: a cluster may have such nodes."""
    not_carried_out: tuple[str, ...] = ()
    """A sentence for each policy whose pods may still start on nodes that it refuses."""

    @property
    def is_empty(self) -> bool:
        """Whether the caller may read none of it."""
        return all(section is None for section in (self.policies, self.datacentres, self.namespaces, self.workloads))

    @property
    def findings(self) -> tuple[str, ...]:
        """What needs somebody's attention: nothing of what is only tried, where pods outside break no rule."""
        held = [row for row in self.namespaces or () if row.mode == Mode.ENFORCE]
        policies, datacentres = self.policies or (), self.datacentres or ()
        used = [row for row in policies if row.used_by]
        found = [f"policy {row.policy}: {row.message}" for row in used if row.ready == "False"]
        found += self.not_carried_out
        found += [f"policy {row.policy}: {ending.sentence}" for row in used for ending in row.endings]
        found += [f"datacentre {row.datacentre}: {text}" for row in datacentres for text in _wrong(row)]
        found += [f"namespace {row.namespace}: {_not_inside(row)}" for row in held if row.outside or row.pending]
        found += [f"namespace {row.namespace}: {_unknown(row)}" for row in held if not row.known]
        found += [f"{row.namespace}/{row.name}: {row.message}" for row in self.workloads or () if row.ready == "False"]
        found += [
            f"derogation {row.name} of policy {row.policy} for {row.service} {ends(row.until, row.days)}: ask for "
            "another one if it is still needed"
            for row in self.derogations or ()
            if row.in_force and is_soon(row.days)
        ]
        return tuple(found)


def _wrong(row: DatacentreRow) -> tuple[str, ...]:
    """Say what is wrong with a datacentre. The message of one that is not Ready names missing nodes as well."""
    return (row.message,) if row.ready == "False" else row.missing


def _not_inside(row: NamespaceRow) -> str:
    """Say how many pods are not where their policy accepts them, and how to find out which."""
    more = f" and {row.outside - 1} more" if row.outside > 1 else ""
    named = f" ({row.first_outside}{more})" if row.first_outside else ""
    counts = f"{plural(row.outside, 'pod')} outside{named}, {row.pending} pending"
    return f"{counts}: kubectl sovereign report -n {row.namespace}"


def _unknown(row: NamespaceRow) -> str:
    """Say what is wrong with the policy that a namespace enforces."""
    return f"there is no policy {row.policy}" if row.policy else f"its label {names.ENFORCE_LABEL} is empty"


def report_status(seen: StatusSeen, estate: Estate, now: datetime) -> Status:
    """Put together how it stands."""
    today = now.astimezone(PARIS).date()
    policies = estate.policies
    used = Counter((seen.namespaces or {}).values())
    tried = Counter(judge.policy for _, judge in seen.tried)
    return Status(
        scope=seen.scope,
        policies=tuple(_policy(name, seen, estate, today, (used, tried)) for name in sorted(policies))
        if policies is not None
        else None,
        datacentres=_datacentres(seen, estate, today),
        namespaces=_namespaces(seen, estate),
        workloads=seen.workloads,
        derogations=_derogations(estate, today) if estate.known >= STANDS_ON else None,
        nodes=len(estate.facts.nodes) if estate.placed else None,
        nodes_nowhere=sum(member.datacentre is None for member in estate.verdicts.members.values())
        if estate.placed
        else None,
        not_carried_out=estate.not_carried_out,
    )


def _policy(
    name: str, seen: StatusSeen, estate: Estate, today: date, namespaces: tuple[Mapping[str, int], Mapping[str, int]]
) -> PolicyRow:
    judged = estate.judged and name in estate.facts.policies
    status = (
        _plain(report_policy(name, estate.facts, estate.verdicts))
        if judged
        else _recorded("sovereigntypolicies", name, seen)
    )
    ready, end = condition_of(status, "Ready"), _day(status.get("nextEnd"))
    return PolicyRow(
        policy=name,
        ready=ready.get("status", "Unknown"),
        reason=ready.get("reason", ""),
        message=ready.get("message", "the operator has not reported it yet"),
        datacentres=status.get("datacentres", ""),
        nodes=status.get("nodes"),
        next_end=end,
        end_known="nextEnd" in status,
        days=(end - today).days if end else None,
        used_by=seen.count(namespaces[0], name),
        tried_by=seen.count(namespaces[1], name),
        endings=tuple(endings(name, estate, today) if judged else recorded_ending(end, today)),
    )


def _datacentres(seen: StatusSeen, estate: Estate, today: date) -> tuple[DatacentreRow, ...] | None:
    if "datacentres" not in estate.known:
        return None
    names = {*estate.facts.datacentres, *estate.facts.unread.datacentres}
    return tuple(_datacentre(name, seen, estate, today) for name in sorted(names))


def _datacentre(name: str, seen: StatusSeen, estate: Estate, today: date) -> DatacentreRow:
    spec = estate.facts.datacentres.get(name)
    judged = estate.judged and spec is not None
    if judged:
        status = _plain(report_datacentre(name, estate.facts, estate.verdicts))
        sites = [estate.verdicts.sites[Pair(policy, name)] for policy in estate.facts.policies]
        ended = [basis.until for site in sites if site.accepted for basis in site.basis if basis.until]
    else:
        status, ended = _recorded("datacentres", name, seen), []
    ready, end = condition_of(status, "Ready"), min(ended, default=None)
    return DatacentreRow(
        datacentre=name,
        service=spec.service_ref.name if spec else "",
        country=spec.country if spec else "",
        ready=ready.get("status", "Unknown"),
        reason=ready.get("reason", ""),
        message=ready.get("message", "the operator has not reported it yet"),
        nodes=status.get("nodes"),
        accepted_by=status.get("acceptedBy", ""),
        next_end=end,
        end_known=judged,
        days=(end - today).days if end else None,
        missing=tuple(missing_in(status)),
    )


def _namespaces(seen: StatusSeen, estate: Estate) -> tuple[NamespaceRow, ...] | None:
    if seen.namespaces is None or seen.pods is None:
        return None
    judged = [((pod.namespace, Judge(pod.policy, pod.mode)), _where(pod, estate)) for pod in seen.pods]
    held = {(namespace, Judge(policy, Mode.ENFORCE)) for namespace, policy in seen.namespaces.items()}
    counts, policies = Counter(judged), estate.policies
    first: dict[tuple[tuple[str, Judge], Place | Judged], str] = {}
    for pod, found in zip(seen.pods, judged, strict=True):
        first[found] = min(pod.name, first.get(found, pod.name))
    return tuple(
        NamespaceRow(
            namespace=namespace,
            policy=judge.policy,
            mode=judge.mode.value,
            known=policies is None or judge.policy in policies,
            pods=sum(counts[(namespace, judge), word] for word in (*Place, Judged.UNKNOWN)),
            inside=counts[(namespace, judge), Place.INSIDE],
            outside=counts[(namespace, judge), Place.OUTSIDE],
            pending=counts[(namespace, judge), Place.PENDING],
            unknown=counts[(namespace, judge), Judged.UNKNOWN],
            first_outside=first.get(((namespace, judge), Place.OUTSIDE), ""),
        )
        for namespace, judge in sorted({*held, *seen.tried, *(key for key, _ in judged)}, key=_strictest_first)
    )


def _strictest_first(key: tuple[str, Judge]) -> tuple[str, int, str]:
    namespace, judge = key
    return namespace, list(Mode).index(judge.mode), judge.policy


def _where(pod: CountedPod, estate: Estate) -> Place | Judged:
    """Say where a pod is: by the core, or by what the operator recorded if the caller may not read enough."""
    if estate.judged or not pod.node:
        verdict = estate.verdict(pod.node, pod.policy) if pod.node else None
        return place_of(pod.node, verdict, unreadable=pod.unreadable)
    word = pod.recorded.partition(":")[0]
    return RECORDED.get(word, Judged.UNKNOWN)


def _derogations(estate: Estate, today: date) -> tuple[DerogationRow, ...]:
    return tuple(
        DerogationRow(
            name=name,
            policy=one.spec.policy_ref.name,
            service=one.spec.service_ref.name,
            scheme=one.spec.scheme,
            standing=standing(one, estate.facts).value,
            asked_by=one.approval.asked_by,
            approved_by=one.approval.approved_by,
            until=one.spec.until,
            days=(one.spec.until - today).days,
            reason=one.spec.reason,
        )
        for name, one in sorted(estate.facts.derogations.items())
    )


def _plain(report: Report) -> Mapping[str, Any]:
    """Return a report in the form of a status."""
    conditions = [
        {"type": seen.type, "status": seen.status, "reason": seen.reason.value, "message": seen.message}
        for seen in report.observations
    ]
    return report.status | {"conditions": conditions}


def _recorded(plural: str, name: str, seen: StatusSeen) -> Mapping[str, Any]:
    return seen.recorded.get((plural, name), {})


def _day(text: str | None) -> date | None:
    """Read the day in a status, which has words where there is none."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
