"""May pods of a policy start on a node? The one place that decides it.

A verdict joins four answers: where the node stands (`membership`), whether the policy accepts that site (`site`),
whether the evidence for the node's place is strong enough (`check_evidence`), and whether a datacentre that cannot be
read may claim the node as well (`check_claims`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from sovereign_operator.api.v1alpha1.sovereignty_policy import NodeEvidence, SovereigntyPolicySpec
from sovereign_operator.core.placement.facts import Facts, Node, Pair
from sovereign_operator.core.placement.membership import SEE_READY, STRENGTH, Membership, locate_all
from sovereign_operator.core.placement.qualification import Basis
from sovereign_operator.core.placement.site import SiteVerdict, judge_site
from sovereign_operator.core.report.reasons import NodeFinding, NodeReason, sentences


@dataclass(frozen=True)
class NodeVerdict:
    """The answer for one node and one policy."""

    node: str
    uid: str
    policy: str
    datacentre: str | None
    service: str | None
    evidence: NodeEvidence | None
    findings: tuple[NodeFinding, ...]
    basis: tuple[Basis, ...]

    @property
    def accepted(self) -> bool:
        """Whether no check failed."""
        return not self.findings

    @cached_property
    def sentence(self) -> str:
        """The verdict in words, as nodes and pods carry it."""
        if self.findings:
            return f"refused: {sentences(self.findings)}"
        rests_on = "; ".join(basis.text for basis in self.basis)
        return f"accepted: {self.datacentre}" + (f", {rests_on}" if rests_on else "")

    @cached_property
    def decision_id(self) -> str:
        """16 hexadecimal digits that stand for this verdict in annotations and logs: same verdict, same id."""
        content = [self.node, self.uid, self.policy, self.datacentre, self.service, self.evidence, self.sentence]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


class Place(StrEnum):
    """Where a pod is, for the policy that it is held to."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    PENDING = "pending"


def place_of(node: str | None, verdict: NodeVerdict | None, *, unreadable: bool = False) -> Place:
    """Say where a pod is, by its node and what its policy says of that.

    A node that is gone is outside, and so is a pod that cannot be read.
    """
    if unreadable:
        return Place.OUTSIDE
    if verdict and verdict.accepted:
        return Place.INSIDE
    return Place.OUTSIDE if node else Place.PENDING


def check_evidence(member: Membership, policy_name: str, policy: SovereigntyPolicySpec) -> tuple[NodeFinding, ...]:
    """Refuse a node if the evidence for its datacentre is weaker than the policy demands."""
    if member.evidence is None or STRENGTH.index(member.evidence) >= STRENGTH.index(policy.node_evidence):
        return ()
    way, remedy = "by labels that its kubelet may set itself", "name the node with its uid in the Datacentre"
    if member.evidence is NodeEvidence.POOL_DECLARED:
        way = f"as a node of pool {member.pool}"
        remedy = (
            "name the node with its present uid in the Datacentre, or have whoever answers for the policy set "
            f"spec.nodeEvidence to {member.evidence.value}"
        )
    message = (
        f"{member.node} is in {member.datacentre} only {way} ({member.evidence.value}); "
        f"policy {policy_name} demands {policy.node_evidence.value}: {remedy}"
    )
    return (NodeFinding(NodeReason.WEAK_EVIDENCE, message),)


def check_claims(member: Membership, policy_name: str, facts: Facts) -> tuple[NodeFinding, ...]:
    """Refuse a node that a Datacentre which cannot be read may also claim, unless the host role lists the node."""
    if not member.maybe_claimed_by or member.node in facts.hosts.get(policy_name, ()):
        return ()
    claimants = " and ".join(member.maybe_claimed_by)
    message = f"{member.node} may be claimed by {claimants}, too, whose nodes cannot be read: {SEE_READY}"
    return (NodeFinding(NodeReason.UNREADABLE, message),)


def judge_node(node: Node, policy: str, facts: Facts) -> NodeVerdict | None:
    """Decide for one node and one policy as `judge` does, whatever nodes ``facts`` holds. None: no such policy."""
    if policy not in facts.policies:
        return None
    member = locate_all(replace(facts, nodes={node.name: node}))[node.name]
    sites = {}
    if member.datacentre is not None:
        sites[Pair(policy, member.datacentre)] = judge_site(member.datacentre, policy, facts)
    return verdict_on(member, policy, facts, sites)


def verdict_on(member: Membership, policy: str, facts: Facts, sites: Mapping[Pair, SiteVerdict]) -> NodeVerdict:
    """Join where a node stands with the verdict on its site."""
    if member.datacentre is None:
        return NodeVerdict(member.node, member.uid, policy, None, None, None, member.findings, ())
    site = sites[Pair(policy, member.datacentre)]
    findings = (
        *member.findings,
        *check_evidence(member, policy, facts.policies[policy]),
        *check_claims(member, policy, facts),
        *site.findings,
    )
    service = facts.datacentres[member.datacentre].service_ref.name
    return NodeVerdict(
        member.node, member.uid, policy, member.datacentre, service, member.evidence, findings, site.basis
    )
