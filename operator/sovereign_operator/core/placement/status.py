"""The statuses of CloudServices, Datacentres and SovereigntyPolicies."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sovereign_operator.api.v1alpha1.cloud_service import CLOUD_SERVICE
from sovereign_operator.api.v1alpha1.derogation import DEROGATION
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.api.v1alpha1.sovereignty_policy import NodeEvidence
from sovereign_operator.core.placement.declared_nodes import Missing, missing_nodes, report_missing, say_missing
from sovereign_operator.core.placement.facts import Facts, Pair, datacentres_of
from sovereign_operator.core.placement.qualification import in_force, title
from sovereign_operator.core.placement.site import SiteVerdict, no_service
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import MAX_EXAMPLES, Observation, examples, timestamp
from sovereign_operator.core.report.reasons import NodeReason, sentences, words
from sovereign_operator.core.report.report import Report

NO_END: Final = "no end recorded"


def report_service(name: str, facts: Facts, verdicts: Verdicts) -> Report:
    """Report which qualifications of a service are in force, and what stands there."""
    spec, datacentres = facts.services[name], datacentres_of(name, facts)
    holding = [entry for entry in spec.qualifications if in_force(entry, facts.now)]
    schemes = sorted({f"{entry.scheme} {entry.version}" if entry.version else entry.scheme for entry in holding})
    until = _first_end(entry.valid_until for entry in holding) if holding else "none"
    status = {
        "qualified": ", ".join(schemes) or "none",
        "until": until,
        "datacentres": len(datacentres),
        "nodes": sum(verdicts.node_count(datacentre) for datacentre in datacentres),
    }
    if holding:
        message = f"{title(spec)} holds {', '.join(schemes)}, {until if until == NO_END else f'until {until}'}"
        observation = Observation("Qualified", "True", ConditionReason.IN_FORCE, message)
    else:
        message = f"{title(spec)} holds no qualification in force today: correct its spec.qualifications"
        observation = Observation("Qualified", "False", ConditionReason.NONE_IN_FORCE, message)
    return Report(status, (observation,))


def report_datacentre(name: str, facts: Facts, verdicts: Verdicts) -> Report:
    """Report which nodes are in a datacentre, and which policies accept it."""
    members = verdicts.nodes_in(name)
    answers = [verdicts.sites[Pair(policy, name)] for policy in sorted(facts.policies)]
    accepting = [answer.policy for answer in answers if answer.accepted]
    refusals_first = sorted(answers, key=lambda answer: (answer.accepted, answer.policy))
    status = {
        "nodes": len(members),
        "nodesOfPools": sum(verdicts.members[node].evidence is NodeEvidence.POOL_DECLARED for node in members),
        "nodeExamples": members[:MAX_EXAMPLES],
        "acceptedBy": examples(accepting) or "none",
        "derogated": examples(answer.policy for answer in answers if answer.derogations) or "none",
        "policies": [
            {
                "policy": answer.policy,
                "accepted": answer.accepted,
                "reasons": list(words(answer.findings)),
                "message": sentences(answer.findings) or "; ".join(basis.text for basis in answer.basis) or "accepted",
            }
            for answer in refusals_first[:MAX_EXAMPLES]
        ],
    }
    found = missing_nodes(name, verdicts)
    return Report(status, (_datacentre_ready(name, facts, verdicts, members, found),)) + report_missing(found)


def _datacentre_ready(name: str, facts: Facts, verdicts: Verdicts, members: list[str], found: Missing) -> Observation:
    """Say whether nodes stand there. Each message names the nodes that it claims and that do not stand there."""
    service, missing = facts.datacentres[name].service_ref.name, say_missing(found)
    if service not in facts.services:
        finding = no_service(service, facts)
        return Observation("Ready", "False", finding.reason, finding.message + missing)
    wrong = {node: findings for node in members if (findings := verdicts.members[node].findings)}
    if wrong:
        message = f"{len(wrong)} node(s) contradict the claim: {examples(map(sentences, wrong.values()))}"
        return Observation("Ready", "False", NodeReason.NODE_CONTRADICTED, message + missing)
    if members:
        message = f"{len(members)} node(s) of {title(facts.services[service])}: {examples(members)}"
        return Observation("Ready", "True", ConditionReason.NODES_PRESENT, message + missing)
    message = "no node of this cluster stands here"
    if found.claimed_twice:
        return Observation("Ready", "False", NodeReason.CLAIMED_TWICE, message + missing)
    message += ": correct spec.nodes (name and uid), spec.nodePools or spec.nodeSelector"
    return Observation("Ready", "False", ConditionReason.NO_NODES, message + missing)


def report_unreadable(kind: Kind, why: str) -> Report:
    """Report that an object of one of these kinds cannot be read, and nothing else."""
    message = f"the operator cannot read it: {why}; correct it, or install the version of the operator that it is for"
    if kind is CLOUD_SERVICE:
        observed = Observation("Qualified", "False", NodeReason.UNREADABLE, message)
        return Report({"qualified": "unreadable"}, (observed,))
    condition = "InForce" if kind is DEROGATION else "Ready"
    return Report({}, (Observation(condition, "False", NodeReason.UNREADABLE, message),))


@dataclass(frozen=True, order=True)
class Trusted:
    """A certificate authority that a policy's pods trust."""

    not_after: datetime
    fingerprint: str
    policy: str
    datacentre: str


def report_policy(name: str, facts: Facts, verdicts: Verdicts, trusted: tuple[Trusted, ...] = ()) -> Report:
    """Report which datacentres and how many nodes a policy accepts, and which CAs its pods trust."""
    answers = [verdicts.sites[Pair(name, datacentre)] for datacentre in sorted(facts.datacentres)]
    accepted = [answer for answer in answers if answer.accepted]
    refused = [answer for answer in answers if not answer.accepted]
    nodes = verdicts.accepted_nodes(name)
    in_use = sites_in_use(name, verdicts)
    used = {answer.datacentre for answer in in_use}
    empty = [answer for answer in accepted if answer.datacentre not in used]
    status = {
        "datacentresAccepted": len(in_use),
        "datacentresWithoutNode": len(empty),
        "datacentresRefused": len(refused),
        "datacentres": f"{len(in_use)} of {len(answers)}",
        "derogated": sum(bool(answer.derogations) for answer in answers),
        "nodes": len(nodes),
        "accepted": [answer.datacentre for answer in in_use[:MAX_EXAMPLES]],
        "refused": [
            {
                "datacentre": answer.datacentre,
                "reasons": list(words(answer.findings)),
                "message": sentences(answer.findings),
            }
            for answer in refused[:MAX_EXAMPLES]
        ],
        "authorities": [
            {
                "fingerprint": authority.fingerprint,
                "policy": authority.policy,
                "datacentre": authority.datacentre,
                "notAfter": timestamp(authority.not_after),
            }
            for authority in sorted(trusted)[:MAX_EXAMPLES]
        ],
        "authorityEnd": min(trusted).not_after.date().isoformat() if trusted else "none",
        "nextEnd": _first_end(basis.until for answer in in_use or accepted for basis in answer.basis)
        if accepted
        else "none",
    }
    if nodes:
        message = f"{len(nodes)} node(s) may host its pods, in {examples(answer.datacentre for answer in in_use)}"
        if derogated := [site for site in in_use if site.derogations]:
            waived = (f"{site.datacentre} ({', '.join(site.derogations)})" for site in derogated)
            message += f"; only because of a derogation: {examples(waived)}"
        if empty:
            message += f"; {_why_empty(name, empty, verdicts)}"
        return Report(status, (Observation("Ready", "True", ConditionReason.NODES_ACCEPTED, message),))
    if accepted:
        message = f"no node may host its pods: {_why_empty(name, accepted, verdicts)}"
    elif refused:
        message = f"no datacentre is accepted: {examples(sentences(answer.findings) for answer in refused)}"
    else:
        message = "there is no Datacentre: create one that says which of your nodes stand where"
    return Report(status, (Observation("Ready", "False", ConditionReason.NO_NODE_ACCEPTED, message),))


def sites_in_use(policy: str, verdicts: Verdicts) -> list[SiteVerdict]:
    """Return the verdicts on the datacentres in which there are nodes that a policy accepts, by name."""
    where = {verdicts.members[node].datacentre for node in verdicts.accepted_nodes(policy)}
    return [verdicts.sites[Pair(policy, datacentre)] for datacentre in sorted(filter(None, where))]


def _why_empty(policy: str, sites: list[SiteVerdict], verdicts: Verdicts) -> str:
    """Return why no node may host a policy's pods, for the datacentres that the policy accepts."""
    named = {site.datacentre for site in sites}
    nodes = sorted({node for name in named for node in (*verdicts.nodes_in(name), *verdicts.claimed_twice_in(name))})
    findings = [finding for node in nodes for finding in verdicts.nodes[node, policy].findings]
    why = examples(finding.message for finding in findings) or "no node stands there"
    return f"the policy accepts {examples(sorted(named))}, but {why}"


def _first_end(days: Iterable[date | None]) -> str:
    known = sorted(day for day in days if day is not None)
    return known[0].isoformat() if known else NO_END
