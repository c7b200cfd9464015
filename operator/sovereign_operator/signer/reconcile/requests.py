"""Answers one certificate request: reads live what it names, has the core decide, and writes the answer."""

import asyncio
import base64
import logging
from datetime import datetime
from typing import Any, assert_never

from sovereign_operator.core import names
from sovereign_operator.core.identity.certificate_note import IssuedNote, authority_digits
from sovereign_operator.core.identity.grant import is_granted
from sovereign_operator.core.identity.request import (
    Deny,
    Issue,
    LiveNode,
    LivePod,
    Request,
    RequestFacts,
    WaitForFacts,
    decide_request,
)
from sovereign_operator.core.kubernetes.mirror_pod import is_mirror_pod
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.placement.verdict import judge_node
from sovereign_operator.core.report.conditions import Notice, timestamp
from sovereign_operator.core.workload.scope import enforced_policy, policy_of_pod
from sovereign_operator.kube.client.access import may_enforce, may_host, may_host_any
from sovereign_operator.kube.client.api import MERGE, Json
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError
from sovereign_operator.kube.client.events import post
from sovereign_operator.kube.client.resource import (
    CERTIFICATE_REQUESTS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    Resource,
)
from sovereign_operator.kube.objects.node import see_node
from sovereign_operator.kube.objects.pod import ENDED_PHASES, signers_of
from sovereign_operator.pki import certificates, leaf, spiffe
from sovereign_operator.signer import metrics
from sovereign_operator.signer.state import RequestKey, SignerState
from sovereign_operator.signer.waiting import ObservedRequest

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 15.0
"""Seconds until a waiting request is decided again, at most."""
REPEAT_EVENT_SECONDS = 300.0


async def answer_request(state: SignerState, key: RequestKey) -> float | None:
    """Answer a request. Return in how many seconds to decide again if it has to wait."""
    seen = state.requests.get((key.namespace, key.name))
    if seen is None:
        return None
    if pause := state.budgets.pause(seen.request.node, seen.request.uid, asyncio.get_running_loop().time()):
        return pause
    public_key = _public_key(seen)
    facts, pod = await _gather(state, seen, supported_key=public_key is not None)
    decision = decide_request(facts)
    match decision:
        case Issue():
            await _issue(state, seen, decision, public_key, pod)
            return None
        case Deny(reason, message):
            if await _write(state, seen, _condition("Denied", reason.value, message, facts.now)):
                metrics.DENIED.labels(reason.value).inc()
                logger.warning("denied: %s", message, extra=_log_fields(seen.request) | {"reason": reason.value})
            return None
        case WaitForFacts(reason, message):
            await _announce(state, seen, pod, Notice("Warning", reason.value, f"no certificate yet: {message}"))
            return min(LONGEST_PAUSE, max(1.0, (facts.now - seen.created).total_seconds() / 4))
        case _:
            assert_never(decision)


async def _announce(state: SignerState, seen: ObservedRequest, pod: Json | None, notice: Notice) -> None:
    """Post an Event on a pod about why its request waits.

    Only the first replica posts it: when the reason is new, and again after REPEAT_EVENT_SECONDS.
    """
    now = asyncio.get_running_loop().time()
    reason, posted = state.announced.get(seen.request.uid, ("", 0.0))
    if pod is None or not state.is_first(seen) or (reason == notice.reason and now - posted < REPEAT_EVENT_SECONDS):
        return
    state.announced[seen.request.uid] = notice.reason, now
    await post(state.api, pod, notice)
    logger.info("the request waits: %s", notice.message, extra=_log_fields(seen.request) | {"reason": notice.reason})


async def _gather(
    state: SignerState, seen: ObservedRequest, *, supported_key: bool
) -> tuple[RequestFacts, Json | None]:
    """Read live what the request names. Also return the pod, if it has the uid that the request names."""
    api, request = state.api, seen.request
    pod, account, node, namespace = await asyncio.gather(
        _read_live(state, PODS, request.pod, request.namespace),
        _read_live(state, SERVICE_ACCOUNTS, request.service_account, request.namespace),
        _read_live(state, NODES, request.node),
        _read_live(state, NAMESPACES, request.namespace),
    )
    policy = _policy_of(state, pod, namespace)
    operator = state.settings.replica.namespace
    hosted, meaningless_roles = False, False
    if policy:
        hosted, meaningless_roles = await asyncio.gather(
            state.reads.read(("host", policy, request.node), lambda: may_host(api, operator, policy, request.node)),
            state.reads.read(("host any", policy), lambda: may_host_any(api, operator, policy)),
        )
    known = hosted or (policy is not None and await may_enforce(api, operator, policy))
    labels = node["metadata"].get("labels", {}) if node else {}
    datacentre = labels.get(names.NODE_DATACENTRE_LABEL, "")
    signing = state.signing_authorities.get(Pair(policy or "", datacentre))
    facts = RequestFacts(
        request=request,
        supported_key=supported_key,
        pod=_live_pod(pod) if pod else None,
        service_account_uid=account["metadata"]["uid"] if account else None,
        node=LiveNode(node["metadata"]["uid"], labels.get(names.NODE_UID_LABEL, ""), datacentre) if node else None,
        policy=policy,
        known=known,
        granted=_is_granted(state, policy, namespace),
        hosted=hosted,
        meaningless_roles=meaningless_roles,
        verdict=judge_node(see_node(node).node, policy, state.facts_of(request.node)) if node and policy else None,
        authority_end=signing.time.until if signing else None,
        now=api.clock.now(),
    )
    return facts, pod if pod and pod["metadata"]["uid"] == request.pod_uid else None


async def _read_live(state: SignerState, resource: Resource, name: str, namespace: str | None = None) -> Json | None:
    """Return an object as it is now. Requests at the same moment share one read."""
    try:
        return await state.reads.read(
            (resource.plural, namespace, name), lambda: state.api.get(resource, name, namespace)
        )
    except NotFoundError:
        return None


def _policy_of(state: SignerState, pod: Json | None, namespace: Json | None) -> str | None:
    """Return the policy in effect for a pod; None if there is no pod, or if it is not in scope."""
    if pod is None or namespace is None:
        return None
    enforced = enforced_policy(namespace["metadata"].get("labels", {}))
    labels = pod["metadata"].get("labels", {})
    return policy_of_pod(namespace["metadata"]["name"], enforced, labels, state.settings.replica.system_namespaces)


def _is_granted(state: SignerState, policy: str | None, namespace: Json | None) -> bool:
    """Whether a policy, as observed, grants certificates to a namespace, as it was read live."""
    spec = state.facts().policies.get(policy) if policy else None
    if policy is None or spec is None or namespace is None:
        return False
    metadata = namespace["metadata"]
    return is_granted(policy, spec, metadata["name"], metadata.get("labels", {}))


def _live_pod(pod: Json) -> LivePod:
    metadata, spec = pod["metadata"], pod["spec"]
    return LivePod(
        uid=metadata["uid"],
        node=spec.get("nodeName", ""),
        service_account=spec.get("serviceAccountName", ""),
        ending="deletionTimestamp" in metadata or pod.get("status", {}).get("phase") in ENDED_PHASES,
        mirror=is_mirror_pod(metadata.get("annotations", {})),
        mounts_signer=names.SIGNER in signers_of(pod),
    )


def _public_key(seen: ObservedRequest) -> Any:
    try:
        key = leaf.public_key_of(base64.b64decode(seen.stub))
        leaf.check_key(key)
    except ValueError:
        return None
    return key


async def _issue(state: SignerState, seen: ObservedRequest, issue: Issue, public_key: Any, pod: Json | None) -> None:
    signing = state.signing_authorities[Pair(issue.policy, issue.datacentre)]
    request = seen.request
    serial = leaf.serial_for(request.uid, signing.authority)
    spiffe_id = spiffe.workload_id(state.settings.trust_domain, request.namespace, request.service_account)
    chain = leaf.issue(
        signing.authority,
        public_key,
        spiffe_id,
        serial=serial,
        not_before=issue.not_before,
        not_after=issue.not_after,
    )
    fingerprint = certificates.fingerprint(signing.authority.certificate)
    text = f"serial {serial:x}, policy {issue.policy}, datacentre {issue.datacentre}, by {signing.name}"
    message = str(IssuedNote(text, authority_digits(fingerprint)))
    status = _condition("Issued", "Issued", message, state.api.clock.now()) | {
        "certificateChain": chain.decode(),
        "notBefore": timestamp(issue.not_before),
        "notAfter": timestamp(issue.not_after),
        "beginRefreshAt": timestamp(issue.refresh_at),
    }
    if not await _write(state, seen, status):
        return
    metrics.ISSUE_SECONDS.observe(max(0.0, (state.api.clock.now() - seen.created).total_seconds()))
    metrics.CERTIFICATES.labels(issue.policy, issue.datacentre).inc()
    annotations = pod["metadata"].get("annotations", {}) if pod else {}
    logger.info(
        "issued to pod %s/%s: %s",
        request.namespace,
        request.pod,
        message,
        extra=_log_fields(request)
        | {
            "serial": f"{serial:x}",
            "spiffeID": spiffe_id,
            "policy": issue.policy,
            "datacentre": issue.datacentre,
            "authority": signing.name,
            "notAfter": timestamp(issue.not_after),
            "decision": annotations.get(names.audit_annotation("decision-id"), ""),
        },
    )


def _condition(kind: str, reason: str, message: str, now: datetime) -> Json:
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(now),
    }
    return {"conditions": [condition]}


async def _write(state: SignerState, seen: ObservedRequest, status: Json) -> bool:
    """Write an answer, unless another replica has. Return whether this call wrote it."""
    body = {"metadata": {"resourceVersion": seen.version}, "status": status}
    request = seen.request
    try:
        await state.api.patch(
            CERTIFICATE_REQUESTS,
            request.name,
            body,
            content_type=MERGE,
            namespace=request.namespace,
            subresource="status",
        )
    except (ConflictError, NotFoundError):
        state.requests.drop((request.namespace, request.name), seen)
        return False
    return True


def _log_fields(request: Request) -> dict[str, str]:
    return {
        "request": request.name,
        "namespace": request.namespace,
        "pod": request.pod,
        "podUID": request.pod_uid,
        "node": request.node,
        "nodeUID": request.node_uid,
    }
