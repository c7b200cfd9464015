"""Reads live what a request for a certificate names: the facts of its answer."""

import asyncio

from sovereign_operator.core.identity.grant import is_granted
from sovereign_operator.core.identity.request import Request, RequestFacts
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.placement.verdict import judge_node
from sovereign_operator.core.workload.scope import enforced_policy, policy_of_pod
from sovereign_operator.kube.client.access import may_enforce, may_host, may_host_any
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.resource import NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS, Resource
from sovereign_operator.kube.objects.live_pod import live_node, live_pod
from sovereign_operator.kube.objects.node import see_node
from sovereign_operator.signer.state import SignerState


async def gather(state: SignerState, request: Request, *, supported_key: bool) -> tuple[RequestFacts, Json | None]:
    """Read live what the request names. Also return the pod, if it has the uid that the request names."""
    api = state.api
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
    seen = live_node(node) if node else None
    signing = state.signing_authorities.get(Pair(policy or "", seen.datacentre if seen else ""))
    facts = RequestFacts(
        request=request,
        supported_key=supported_key,
        pod=live_pod(pod) if pod else None,
        service_account_uid=account["metadata"]["uid"] if account else None,
        node=seen,
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
