"""The status of Derogations: whether each is in force, and why not."""

from collections.abc import Mapping
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.core.placement.derogation import Derogation
from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.site import SiteVerdict
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import Observation, examples
from sovereign_operator.core.report.derogation_reasons import DerogationReason
from sovereign_operator.core.report.reason import Reason
from sovereign_operator.core.report.reasons import NodeReason, line
from sovereign_operator.core.report.report import Report

LONGEST_REASON: Final = 300
"""Characters of the reason that a message quotes."""


WHY_NOT: Final[Mapping[Reason, str]] = {
    DerogationReason.ENDED: "it ended on {until}: delete it, or ask for another one",
    ConditionReason.UNKNOWN_POLICY: "there is no SovereigntyPolicy {policy}: correct spec.policyRef, or create it",
    NodeReason.SERVICE_NOT_FOUND: "there is no CloudService {service}: correct spec.serviceRef, or create it",
    DerogationReason.NOT_DEMANDED: "policy {policy} does not demand {scheme}: correct spec.scheme, or delete it",
    DerogationReason.NOT_STAMPED: (
        "it does not say who asked for it, which admission writes into {annotation}: check the chart's guards, delete "
        "it, and create it again"
    ),
    DerogationReason.AWAITING_APPROVAL: (
        "{asker} asked for generation {generation}: somebody else, with the verb approve on it, must approve that"
    ),
    DerogationReason.CHANGED_SINCE_APPROVAL: (
        "{asker} asked for generation {generation}, but {approver} approved generation {approved}, or one of the same "
        "name that was deleted since: somebody else than {asker} must approve what it asks now"
    ),
    DerogationReason.SELF_APPROVED: "{asker} asked for it and approved it: somebody else must approve it",
}
"""What messages say, by the reason why a derogation is not in force."""


def standing(derogation: Derogation, facts: Facts) -> Reason:
    """Say whether a derogation is in force now: APPROVED, or why it is not."""
    spec, unread = derogation.spec, facts.unread
    policy, service = spec.policy_ref.name, spec.service_ref.name
    if derogation.has_ended(facts.now):
        return DerogationReason.ENDED
    if policy not in facts.policies and policy not in unread.policies:
        return ConditionReason.UNKNOWN_POLICY
    if service not in facts.services and service not in unread.services:
        return NodeReason.SERVICE_NOT_FOUND
    wanted = facts.policies.get(policy)
    if wanted and spec.scheme not in {demand.scheme for demand in wanted.qualifications}:
        return DerogationReason.NOT_DEMANDED
    return derogation.approval.standing


def restated(before: Facts, after: Facts) -> frozenset[str]:
    """Return the derogations that are new, gone or changed, or whose standing is another than before."""
    found = before.derogations.keys() | after.derogations.keys()
    return frozenset(name for name in found if _stated(name, before) != _stated(name, after))


def _stated(name: str, facts: Facts) -> tuple[Derogation, Reason] | None:
    derogation = facts.derogations.get(name)
    return (derogation, standing(derogation, facts)) if derogation else None


def report_derogation(name: str, facts: Facts, sites: Mapping[Pair, SiteVerdict]) -> Report:
    """Report whether a derogation is in force, and which datacentres are accepted only because of it."""
    derogation = facts.derogations[name]
    reason = standing(derogation, facts)
    pairs = [Pair(derogation.spec.policy_ref.name, datacentre) for datacentre in sorted(facts.datacentres)]
    resting = [pair.datacentre for pair in pairs if pair in sites and name in sites[pair].derogations]
    in_force = reason is DerogationReason.APPROVED
    message = _effect(derogation, resting) if in_force else _why_not(derogation, reason)
    observed = Observation("InForce", "True" if in_force else "False", reason, message)
    return Report({"datacentres": len(resting)}, (observed,))


def _effect(derogation: Derogation, resting: list[str]) -> str:
    spec, approval = derogation.spec, derogation.approval
    rests = (
        f"{len(resting)} datacentre(s) rest on it: {examples(resting)}"
        if resting
        else "no datacentre rests on it: delete it if it is not needed"
    )
    return (
        f"policy {spec.policy_ref.name} accepts {spec.service_ref.name} without {spec.scheme} until {spec.until}, as "
        f"{approval.asked_by} asked and {approval.approved_by} approved ({line(spec.reason, LONGEST_REASON)}); {rests}"
    )


def _why_not(derogation: Derogation, reason: Reason) -> str:
    spec, approval = derogation.spec, derogation.approval
    return WHY_NOT[reason].format(
        policy=spec.policy_ref.name,
        service=spec.service_ref.name,
        scheme=spec.scheme,
        until=spec.until,
        asker=approval.asked_by,
        approver=approval.approved_by,
        generation=approval.generation,
        approved=approval.approved_generation,
        annotation=names.REQUESTED_BY_ANNOTATION,
    )
