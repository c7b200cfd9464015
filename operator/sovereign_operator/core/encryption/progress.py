"""How far a policy's encryption has come after a step was decided."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.encryption.agent_report import SilentAgents
from sovereign_operator.core.encryption.node_lacks import NodeLacks
from sovereign_operator.core.encryption.refusals import refuses
from sovereign_operator.core.encryption.rollout import (
    ObservedEncryption,
    PodTraffic,
    Step,
    StepFacts,
    beyond,
    called,
    claim,
    closed,
    cut_off,
)

NOTHING: Final[Mapping[str, NodeLacks]] = MappingProxyType({})


def progress(
    facts: StepFacts,
    step: Step,
    *,
    version: str,
    silence: SilentAgents,
    static: Iterable[str],
    lacks: Mapping[str, NodeLacks] = NOTHING,
) -> ObservedEncryption:
    """Return how far it has come with a step.

    ``version`` is that of the present transit config. ``silence``: the pods whose agents have not reported its rules as
    loaded. ``static``: the static pods, each with its node. ``lacks``: what nodes of pods with a sidecar lack, by node.
    """
    pods, strict = facts.pods, step.mode is EncryptionMode.STRICT
    return ObservedEncryption(
        step,
        facts.wanted.mode,
        pods=len(pods),
        sidecars=sum(pod.sidecar for pod in pods),
        loaded=sum(pod.loaded == version for pod in pods),
        bypassed=_names(pod for pod in pods if pod.bypass),
        untrusted=_names(pod for pod in pods if pod.untrusted),
        talking=_names(pod for pod in pods if pod.plain_open and strict),
        beyond=tuple(sorted(beyond(facts))),
        silence=silence,
        claimed=tuple(sorted(claim(pod.name, pod.claimant) for pod in pods if pod.claimant)),
        static=tuple(sorted(static)),
        lacks=lacks,
        closed=tuple(sorted(closed(pod for pod in pods if pod.loaded != version))),
        cut_off=tuple(sorted(cut_off(pod for pod in pods if pod.loaded != version))),
        called=tuple(sorted(called(pods))) if strict else (),
        refusing=_names(pod for pod in pods if refuses(pod.refused_seen, facts.now)),
    )


def concerns_workloads(before: ObservedEncryption | None, after: ObservedEncryption) -> bool:
    """Whether SovereignWorkloads may show something else than before.

    They do not show which sidecars refuse connections, which may change with each poll of any of them.
    """
    return before is None or replace(before, refusing=()) != replace(after, refusing=())


def is_awaited(seen: ObservedEncryption) -> bool:
    """Whether a step waits for sidecars, so that they are polled often."""
    return bool(seen.step.waits_for or seen.talking or seen.loaded < seen.pods)


def _names(pods: Iterable[PodTraffic]) -> tuple[str, ...]:
    return tuple(sorted(pod.name for pod in pods))
