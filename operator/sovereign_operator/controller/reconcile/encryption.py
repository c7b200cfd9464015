"""The roll-out of a policy's encryption: reads the state of sidecars, decides the next step, writes transit configs."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import replace

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller import metrics
from sovereign_operator.controller.keys import EncryptionKey
from sovereign_operator.controller.observed.obstacles import Obstacle, own_pods
from sovereign_operator.controller.observed.pod_index import Use
from sovereign_operator.controller.observed.sidecar_polling import FAST_SECONDS, SLOW_SECONDS
from sovereign_operator.controller.observed.sidecars import Sidecars
from sovereign_operator.controller.reconcile.refusals import note_refusals
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.encryption.agent_report import SilentAgents, next_number
from sovereign_operator.core.encryption.disconnects import Disconnects, lost, next_disconnects, settled, trusted_now
from sovereign_operator.core.encryption.progress import concerns_workloads, is_awaited, progress
from sovereign_operator.core.encryption.rollout import ObservedEncryption, PodTraffic, Step, StepFacts, next_step
from sovereign_operator.core.encryption.traffic_rules import datagrams, inbound, outbound
from sovereign_operator.core.sidecar.contract import transit_config_map
from sovereign_operator.core.workload.next_look import RESYNC_SECONDS
from sovereign_operator.dataplane.listeners import discovery, former
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import ApiError, ConflictError, NotFoundError
from sovereign_operator.kube.objects.pod import ObservedPod
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.objects.transit_config import TransitConfig, data_of
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS
from sovereign_operator.kube.unreadable import Unreadable
from sovereign_operator.runtime.writes import write_all

logger = logging.getLogger(__name__)


async def keep_encryption(state: ControllerState, key: EncryptionKey) -> float | None:
    """Take the next step of a policy's encryption, if there is one, and write its transit configs.

    Return in how many seconds to reconcile again; None if the policy does not encrypt, or cannot be read.
    """
    policy = state.view.object(SOVEREIGNTY_POLICY.plural, key.policy)
    spec = see_spec(policy, SovereigntyPolicySpec) if policy else None
    sidecars = state.view.sidecars
    if sidecars is None or isinstance(spec, Unreadable):
        # Running sidecars keep the settings that they have loaded.
        return None
    record = sidecars.record(key.policy)
    if policy is None or spec is None or (spec.encryption_in_transit is None and record is None):
        sidecars.forget(key.policy)
        _forget(key.policy)
        state.refusals.keep(resource.CONFIG_MAPS, (), transit_config_map(key.policy))
        return None
    if not sidecars.services.known:
        # Only encryption needs them, so ``until_complete`` does not wait for them.
        return FAST_SECONDS
    asked = spec.encryption_in_transit or EncryptionInTransit()
    obstacles = await _obstacles(state, sidecars, key.policy, asked)
    changed = state.view.object(SOVEREIGNTY_POLICY.plural, key.policy)
    if changed is None or see_spec(changed, SovereigntyPolicySpec) != spec or sidecars.record(key.policy) != record:
        return 0.0
    pods, static = _pods_in_scope(state, key.policy)
    facts = _gather(state, sidecars, key.policy, asked, record, pods=pods, obstacles=obstacles)
    step = next_step(facts)
    if step.mode is not facts.current:
        logger.info("policy %s: encryption goes from %s to %s", key.policy, facts.current, step.mode)
    cuts, settling = _disconnects(state, sidecars, key.policy, record.disconnects if record else Disconnects())
    wanted = _wanted(sidecars, key.policy, facts, step, cuts=cuts, record=record)
    failures = await write_all(_config_writes(state, sidecars, policy, wanted))
    # No agent can have loaded rules that are new.
    known = record is not None and record.rules == wanted.rules
    seen = progress(
        facts,
        step,
        version=wanted.version,
        silence=facts.silence if known else _silence(sidecars, key.policy, pods, wanted.rules),
        static=(f"{pod.namespace}/{pod.pod.name} on {pod.pod.node}" for pod in static),
        lacks=sidecars.agents.lacks_of(pod for pod in pods if pod.transit == key.policy),
    )
    _measure(key.policy, seen, facts)
    note_refusals(state, (pod for pod in pods if pod.transit == key.policy))
    was_known = sidecars.is_known(key.policy, spec)
    before = sidecars.seen.get(key.policy)
    if sidecars.publish(key.policy, seen):
        state.triggers.encryption_changed(key.policy, workloads=concerns_workloads(before, seen))
    known = sidecars.is_known(key.policy, spec)
    if known and not was_known:
        state.triggers.encryption_known(key.policy)
    # ``settling``: a namespace that refuses its config must not delay the end of other pods' connections.
    if failures or settling or is_awaited(seen) or not known:
        sidecars.polling.polled_fast.add(key.policy)
        return FAST_SECONDS
    sidecars.polling.polled_fast.discard(key.policy)
    # A namespace whose deletion was refused may have lost its config meanwhile: the next reconciliation restores it.
    again = AGAIN_SECONDS if state.refusals else RESYNC_SECONDS
    # What is reported of sidecars that refuse connections ends some time after their last refusal.
    return min(again, SLOW_SECONDS) if seen.refusing else again


def _wanted(
    sidecars: Sidecars, policy: str, facts: StepFacts, step: Step, *, cuts: Disconnects, record: TransitConfig | None
) -> TransitConfig:
    """Return the transit config that sidecars and agents should load."""
    now = facts.wanted.model_copy(update={"mode": step.mode})
    listeners = discovery(outbound(now, sidecars.services.always_plain()), inbound(now), cuts.number)
    passing = datagrams(facts.wanted.model_copy(update={"mode": step.rules}))
    same = record is not None and record.datagrams == passing
    rules = next_number(record.rules if record else 0, facts.now.timestamp(), same=same)
    return TransitConfig(policy, step.mode, listeners, former(listeners), passing, cuts, rules)


def _config_writes(
    state: ControllerState, sidecars: Sidecars, policy: Json, wanted: TransitConfig
) -> Iterator[Awaitable[object]]:
    """Yield the writes of the transit config to all namespaces that lack it.

    A namespace that refuses it, for instance as its quota is used up, delays its own policy's next step: the policy's
    condition names the pods that the step waits for.
    """
    name = transit_config_map(wanted.policy)
    namespaces = _namespaces(state, sidecars, wanted.policy)
    state.refusals.keep(resource.CONFIG_MAPS, {(namespace, name) for namespace in namespaces}, name)
    for namespace in namespaces:
        due = state.refusals.is_due(resource.CONFIG_MAPS, (namespace, name))
        if due and sidecars.config(namespace, wanted.policy) != wanted:
            body = _config_map(policy, namespace, wanted)
            yield state.refusals.attempt(resource.CONFIG_MAPS, body, _apply_config(state.api, body), about=policy)


def _measure(policy: str, seen: ObservedEncryption, facts: StepFacts) -> None:
    for mode in EncryptionMode:
        metrics.ENCRYPTION_MODE.labels(policy, mode).set(mode is seen.step.mode)
    states = {"bare": seen.pods - seen.sidecars, "late": seen.sidecars - seen.loaded, "loaded": seen.loaded}
    states["static"] = len(seen.static)
    for label, number in states.items():
        metrics.ENCRYPTION_PODS.labels(policy, label).set(number)
    metrics.SILENT_AGENTS.labels(policy).set(len(seen.silence.nodes))
    metrics.PLAINTEXT_OPEN.labels(policy).set(sum(pod.plain_open for pod in facts.pods))
    metrics.SIDECARS_REFUSING.labels(policy).set(len(seen.refusing))
    # So that it shows 0 until it grows.
    metrics.CONNECTIONS_REFUSED.labels(policy)


def _forget(policy: str) -> None:
    for metric in (
        metrics.ENCRYPTION_MODE,
        metrics.ENCRYPTION_PODS,
        metrics.SILENT_AGENTS,
        metrics.PLAINTEXT_OPEN,
        metrics.SIDECARS_REFUSING,
        metrics.CONNECTIONS_REFUSED,
    ):
        metric.remove_by_labels({"policy": policy})


def _namespaces(state: ControllerState, sidecars: Sidecars, policy: str) -> list[str]:
    """Return the namespaces to write to, the operator's own last: it records a step after the step was taken.

    A namespace that has a transit config keeps it up to date even while no pod runs there, as new pods load it.
    """
    found = {pod.namespace for pod in state.view.pods_using(Use.SIDECAR, policy) if not pod.ended}
    found |= sidecars.configs_of(policy).keys()
    return [*sorted(found - {sidecars.namespace}), sidecars.namespace]


def _silence(sidecars: Sidecars, policy: str, pods: Iterable[ObservedPod], rules: int) -> SilentAgents:
    return sidecars.agents.silence((pod for pod in pods if pod.transit == policy), rules)


def _pods_in_scope(state: ControllerState, policy: str) -> tuple[list[ObservedPod], list[ObservedPod]]:
    """Return the running pods in scope of a policy, and apart from them those that only their kubelet reports.

    Steps do not wait for the latter: any node, accepted or not, can report a static pod in any namespace.
    """
    found = [pod for pod in state.view.pods_in_scope(policy) if pod.addresses and not pod.ended]
    return [pod for pod in found if not pod.beyond_injection], [pod for pod in found if pod.beyond_injection]


def _gather(
    state: ControllerState,
    sidecars: Sidecars,
    policy: str,
    wanted: EncryptionInTransit,
    record: TransitConfig | None,
    *,
    pods: list[ObservedPod],
    obstacles: Mapping[str, Obstacle] | None,
) -> StepFacts:
    current = record.encryption_mode if record else EncryptionMode.OFF
    now = state.api.clock.now()
    since = sidecars.wanted_since(policy, wanted.mode, asyncio.get_running_loop().time())
    distrusted = state.view.identity.distrusted(policy, pods) if state.view.identity else frozenset()
    return StepFacts(
        wanted=wanted,
        current=current,
        version=record.version if record else "",
        watched_since=sidecars.watched_since(policy, current, now),
        pods=tuple(
            replace(
                _pod_traffic(sidecars, pod, policy, since, untrusted=pod.pod.uid in distrusted),
                **vars((obstacles or {}).get(pod.pod.uid, Obstacle())),
            )
            for pod in pods
        ),
        now=now,
        services=tuple(found.network for found in sidecars.services.always_plain()),
        silence=_silence(sidecars, policy, pods, record.rules if record else 0),
        ahead=record is not None and current is EncryptionMode.PREFERRED and record.datagrams is not None,
        missing_dns=sidecars.services.missing_dns(),
        calls_known=obstacles is not None,
    )


async def _obstacles(
    state: ControllerState, sidecars: Sidecars, policy: str, wanted: EncryptionInTransit
) -> dict[str, Obstacle] | None:
    """Return what else stands in the way of pods, by their uids; None if that could not be read.

    Only the step to Strict depends on it, so nothing else waits for an answer.
    """
    if not sidecars.obstacles.known:
        return None
    pods, _ = _pods_in_scope(state, policy)
    unanswered = [pod for pod in pods if pod.transit == policy and not sidecars.polling.stats(pod).loaded]
    namespace = state.view.object("namespaces", sidecars.namespace) or {"metadata": {}}
    # Each node has an agent among the operator's pods: they are gone through only if they matter.
    pods_of_operator = state.mirrors.own_pods.values() if unanswered else ()
    own = own_pods(pods_of_operator, namespace["metadata"].get("labels", {}))
    try:
        return await sidecars.obstacles.of(pods, unanswered, wanted, own)
    except ApiError as error:
        logger.warning("policy %s: NetworkPolicies or Services could not be read: %s", policy, error)
        return None


def _disconnects(
    state: ControllerState, sidecars: Sidecars, policy: str, before: Disconnects
) -> tuple[Disconnects, bool]:
    """Return the disconnects that the policy should have made, and whether one more is due soon."""
    now = state.api.clock.now()
    trusted = trusted_now(before, state.view.identity.anchors_by_age(policy) if state.view.identity else (), now)
    gone = lost(before, trusted, now)
    since = sidecars.gone_for(policy, gone, asyncio.get_running_loop().time())
    known = settled(since)
    if known:
        stats = ", ".join(sorted(f"{one.pair} {one.digits}".rstrip() for one in known))
        logger.warning("policy %s: open connections end, as authorities are trusted no more: %s", policy, stats)
    return next_disconnects(before, trusted, gone, known), gone != known


def _pod_traffic(sidecars: Sidecars, pod: ObservedPod, policy: str, since: float, *, untrusted: bool) -> PodTraffic:
    stats, sidecar = sidecars.polling.stats(pod), pod.transit == policy
    return PodTraffic(
        name=f"{pod.namespace}/{pod.pod.name}",
        addresses=pod.addresses,
        # False for the sidecar of another policy, whose config it loads: the namespace has changed its policy.
        sidecar=sidecar,
        untrusted=untrusted,
        bypass=pod.bypass if sidecar else "",
        loaded=stats.loaded,
        plain_open=stats.plain_open,
        plain_seen=stats.plain_seen,
        refused_seen=stats.refused_seen if sidecar else None,
        answered=sidecars.polling.answered_since(pod.pod.uid, since),
        claimant=sidecars.claimant(pod) if sidecar else "",
    )


def _config_map(policy: Json, namespace: str, config: TransitConfig) -> Json:
    """Return the ConfigMap of a transit config, which the policy owns."""
    owner = resource.OURS[SOVEREIGNTY_POLICY.plural].header
    owner |= {key: policy["metadata"][key] for key in ("name", "uid")}
    metadata = {
        "name": transit_config_map(config.policy),
        "namespace": namespace,
        "labels": {names.TRANSIT_LABEL: config.policy},
        "ownerReferences": [owner],
    }
    return resource.CONFIG_MAPS.header | {"metadata": metadata, "data": data_of(config)}


async def _apply_config(api: Api, body: Json) -> None:
    try:
        await api.apply(resource.CONFIG_MAPS, body)
    except (ConflictError, NotFoundError):
        # The namespace is deleted or being deleted.
        return
