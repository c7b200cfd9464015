"""May a pod have the certificate that its kubelet or its sidecar asks for? The signer decides it here.

Guard-certificates refuses some pods earlier, as they are created.

A certificate says: this pod of this service account runs in a datacentre that this policy accepts. The
request itself proves nothing, so everything it names is looked up and compared.

A denial is final for a pod, as its kubelet never requests again. So only what can never change is denied.
Everything else waits: the request stays pending, or the sidecar asks again, and an Event on the pod says why and what
to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sovereign_operator.core.identity.authorities import LEAF_LIFETIME, SHORTEST_LEAF
from sovereign_operator.core.identity.request_reasons import Delay, Denial
from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.report.reasons import line, sentences

CLOCK_SKEW: Final = timedelta(minutes=1)
"""A certificate begins this much earlier, for peers whose clocks are slow. The API server allows five minutes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What asks for a certificate: a PodCertificateRequest for our signer, or a sidecar with the token of its pod."""

    namespace: str
    name: str
    uid: str
    pod: str
    pod_uid: str
    service_account: str
    service_account_uid: str
    node: str
    node_uid: str
    longest: timedelta
    """The longest lifetime that it accepts."""
    user_annotations: tuple[str, ...] = ()
    """The keys of the userAnnotations in the pod's volume."""
    address: str | None = None
    """The address from which a sidecar asks. None: a kubelet asks, or addresses do not count."""
    by_token: bool = False
    """Whether a sidecar asks, with a token that is bound to the pod."""


@dataclass(frozen=True)
class LivePod:
    """The pod, as the API server has it at this moment."""

    uid: str
    node: str
    service_account: str
    ending: bool
    mirror: bool
    mounts_signer: bool
    """Whether a volume of it asks for a certificate of our signer."""
    sidecar_asks: bool = False
    """Whether its sidecar, as the injector writes it, is the only container that can have a token for our signer."""
    addresses: tuple[str, ...] = ()
    """Its IP addresses; empty until its kubelet has reported them."""


@dataclass(frozen=True)
class LiveNode:
    """The node, as the API server has it at this moment."""

    uid: str
    verified_uid: str
    """The uid that the operator's label on the node holds."""
    datacentre: str
    """The datacentre that the operator's label on the node holds."""


@dataclass(frozen=True)
class RequestFacts:
    """All that the answer depends on, read from the API server at this moment."""

    request: Request
    supported_key: bool
    pod: LivePod | None
    service_account_uid: str | None
    node: LiveNode | None
    policy: str | None
    """The policy that the pod is held to."""
    known: bool
    """Whether that policy exists, according to RBAC."""
    granted: bool
    """Whether the policy gives certificates to the pod's namespace."""
    hosted: bool
    """Whether RBAC lets the node host the policy's pods: the question that the guards ask."""
    meaningless_roles: bool
    """Whether RBAC lets a node host them that does not exist: then its answers mean nothing."""
    verdict: NodeVerdict | None
    """The verdict on the node, independent of its labels and of RBAC. None: the node or the policy does not exist."""
    authority_end: datetime | None
    """When the CA ends that signs for the policy and the node's datacentre; None if there is none."""
    now: datetime


@dataclass(frozen=True)
class Issue:
    """Sign it: for a pod that is held to this policy and runs in this datacentre."""

    policy: str
    datacentre: str
    not_before: datetime
    not_after: datetime
    refresh_at: datetime
    """When the kubelet or the sidecar shall ask for the next one."""


@dataclass(frozen=True)
class Deny:
    """Refuse for good."""

    reason: Denial
    message: str


@dataclass(frozen=True)
class WaitForFacts:
    """Leave the request pending."""

    reason: Delay
    message: str


Answer = Issue | Deny | WaitForFacts


def decide_request(facts: RequestFacts) -> Answer:
    """Answer a request: the first thing that is wrong with it, or a certificate."""
    return next(_denials(facts), None) or next(_delays(facts), None) or _issue(facts)


def _denials(facts: RequestFacts) -> Iterator[Deny]:
    request, pod = facts.request, facts.pod
    if pod is None or pod.uid != request.pod_uid:
        yield Deny(Denial.POD_GONE, f"there is no pod {request.pod} with uid {request.pod_uid}")
        return
    if pod.ending:
        yield Deny(Denial.POD_ENDING, f"pod {request.pod} has ended or is about to")
    if pod.mirror:
        yield Deny(Denial.MIRROR_POD, f"{request.pod} is a static pod: nothing decides where it runs but its node")
    if pod.node != request.node:
        yield Deny(Denial.NOT_ON_NODE, f"pod {request.pod} does not run on node {request.node}")
    if pod.service_account != request.service_account:
        message = f"pod {request.pod} does not run as service account {request.service_account}"
        yield Deny(Denial.NOT_ITS_SERVICE_ACCOUNT, message)
    if not (pod.sidecar_asks if request.by_token else pod.mounts_signer):
        yield Deny(Denial.NOT_MOUNTED, f"no volume of pod {request.pod} asks for a certificate of this signer")
    if request.user_annotations:
        keys = ", ".join(sorted(request.user_annotations))
        message = f"this signer knows no userAnnotations, the pod's volume has {keys}: leave them out"
        yield Deny(Denial.UNKNOWN_USER_ANNOTATION, message)
    if not facts.supported_key:
        message = "use keyType ECDSAP256, ECDSAP384, ECDSAP521, ED25519, RSA3072 or RSA4096"
        yield Deny(Denial.UNSUPPORTED_KEY, message)


def _delays(facts: RequestFacts) -> Iterator[WaitForFacts]:
    request, policy = facts.request, facts.policy
    if facts.service_account_uid != request.service_account_uid:
        message = f"service account {request.service_account} is not there or was created again: delete the pod"
        yield WaitForFacts(Delay.SERVICE_ACCOUNT_REPLACED, message)
    if request.address is not None and facts.pod and request.address not in facts.pod.addresses:
        message = (
            f"pod {request.pod} has the addresses {', '.join(facts.pod.addresses) or '(none yet)'}, but the request "
            f"comes from {request.address}: if the network hides the addresses of pods, a cluster admin sets "
            "identity.checkAddress=false; otherwise somebody else uses the token of this pod"
        )
        yield WaitForFacts(Delay.NOT_ITS_ADDRESS, message)
    if policy is None:
        message = (
            f"in scope of no policy: label namespace {request.namespace} with sovereignty.dev/enforce, or take the "
            "pod's workload into scope with a SovereignWorkload"
        )
        yield WaitForFacts(Delay.NOT_IN_SCOPE, message)
        return
    if not facts.known:
        message = f"there is no SovereigntyPolicy {policy}: create it or correct the label that names it"
        yield WaitForFacts(Delay.UNKNOWN_POLICY, message)
    if facts.meaningless_roles:
        message = (
            f"RBAC grants policy {policy} every node, so acceptance cannot be checked: "
            "a cluster admin must find and remove the rule that grants it"
        )
        yield WaitForFacts(Delay.MEANINGLESS_ROLES, message)
    if facts.known and not facts.granted:
        message = (
            f"policy {policy} gives no certificates to namespace {request.namespace}: a security officer names it in "
            f"spec.certificateNamespaces of the policy; where that is absent, the namespace needs the label "
            f"sovereignty.dev/enforce={policy}"
        )
        yield WaitForFacts(Delay.NAMESPACE_NOT_TRUSTED, message)
    yield from _delays_by_place(facts, policy)


def _delays_by_place(facts: RequestFacts, policy: str) -> Iterator[WaitForFacts]:
    request = facts.request
    node = facts.node
    if node is None or node.uid != request.node_uid:
        yield WaitForFacts(Delay.NODE_REPLACED, f"node {request.node} is not there or registered again: delete the pod")
        return
    if not facts.hosted or node.verified_uid != node.uid or not node.datacentre:
        message = (
            f"node {request.node} is not accepted by policy {policy}: a cluster admin sees why with "
            f"kubectl describe node {request.node}; once another node is accepted, delete the pod"
        )
        yield WaitForFacts(Delay.NODE_NOT_ACCEPTED, message)
        return
    if why := _marked_wrongly(facts.verdict, node):
        message = (
            f"node {request.node} is marked as accepted by policy {policy}, but {line(why, 500)}. If this lasts longer "
            "than a minute, a cluster admin must check the controller: it does not keep up, or an attacker may have "
            "its token"
        )
        yield WaitForFacts(Delay.NODE_MARKED_WRONGLY, message)
    if facts.authority_end is None:
        message = (
            f"policy {policy} has no certificate authority for datacentre {node.datacentre} yet: if this lasts, "
            "ask a cluster admin to look at the log of the signer"
        )
        yield WaitForFacts(Delay.NO_AUTHORITY, message)
    elif facts.authority_end - facts.now < SHORTEST_LEAF:
        message = (
            f"the certificate authority of policy {policy} for datacentre {node.datacentre} ends at "
            f"{facts.authority_end:%Y-%m-%dT%H:%MZ}: record the renewal, or replace the authority if you brought it"
        )
        yield WaitForFacts(Delay.AUTHORITY_ENDS, message)


def _marked_wrongly(verdict: NodeVerdict | None, node: LiveNode) -> str:
    """Return why labels and RBAC accept a node that is refused. A stolen token of the controller can write both."""
    if verdict is None:
        return "there is no such policy"
    if not verdict.accepted:
        return sentences(verdict.findings)
    if verdict.datacentre != node.datacentre:
        return f"it stands in {verdict.datacentre}, not in {node.datacentre} as its label says"
    return ""


def _issue(facts: RequestFacts) -> Issue:
    assert facts.policy is not None
    assert facts.node is not None
    assert facts.authority_end is not None
    not_before = facts.now.replace(microsecond=0) - CLOCK_SKEW
    not_after = min(not_before + min(facts.request.longest, LEAF_LIFETIME), facts.authority_end)
    refresh_at = not_before + (not_after - not_before) * 2 // 3
    return Issue(facts.policy, facts.node.datacentre, not_before, not_after, refresh_at.replace(microsecond=0))
