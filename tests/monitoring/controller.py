"""The controller's metrics: its own code measures a day, as when it reconciles."""

import asyncio
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.controller import metrics
from sovereign_operator.controller.keys import ClusterKey, SovereignWorkloadKey
from sovereign_operator.controller.observed.references import WorkloadReferences
from sovereign_operator.controller.reconcile import cluster, encryption, pod_counts, statuses, workload_metrics
from sovereign_operator.controller.reconcile import workload as sovereign
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.encryption.agent_report import SilentAgents
from sovereign_operator.core.encryption.rollout import ObservedEncryption, PodTraffic, Step, StepFacts
from sovereign_operator.core.workload.decision import decide_workload
from sovereign_operator.core.workload.status import report_workload
from tests.monitoring import common
from tests.monitoring.days import APPLICATIONS, SUSPENDED, Day, bad_day, morning
from tests.unit import states

PREFERRED: Final = 60
"""The minute of the morning at which encryption takes its next step."""
FAILING: Final = range(122, 132)
"""The minutes in which the API server is too busy, as a provider was just suspended."""
PODS: Final = 33
"""The pods of the policy that encrypts."""


SHOWN: Final[dict[tuple[str, str], set[tuple[str, str]]]] = {}
"""What the metrics of pods outside speak of: one process shows one minute after another."""


def observing(day: Day) -> ControllerState:
    """Return a controller that has observed a day's objects."""
    state = states.controller(day.objects)
    state.published.outside = SHOWN
    state.api = state.view._api = cast("Any", SimpleNamespace(clock=SimpleNamespace(now=lambda: day.now)))  # type: ignore[attr-defined]  # noqa: SLF001
    state.view._now = lambda: day.now  # noqa: SLF001
    # No task runs that could watch more.
    state.mirrors.follow_pods = lambda wanted: []  # type: ignore[method-assign]  # noqa: ARG005
    state.view.references = WorkloadReferences(state.view.objects(SOVEREIGN_WORKLOAD.plural))
    state.view.guards.findings = ()
    states.show(state.mirrors.own_pods, day.own_pods)
    return state


def measure(day: Day) -> None:
    """Show what the controller shows once it has looked at everything."""
    state = observing(day)
    pending = state.view.pending.take()
    verdicts, _ = cluster.decide(state, pending, cluster.observe(state, pending))
    state.published.retained = retained(state)
    cluster._measure(verdicts, state.published.retained, sites=True)  # noqa: SLF001
    cluster._measure_derogations(verdicts.facts.derogations)  # noqa: SLF001
    policies = [(SOVEREIGNTY_POLICY.plural, name) for name in verdicts.facts.policies]
    pod_counts.count_pods(state)
    pod_counts.count_processes(state)
    statuses.decide_statuses(state, verdicts, policies)
    for namespace, name in state.view.objects(SOVEREIGN_WORKLOAD.plural):
        asyncio.run(measure_workload(state, day, SovereignWorkloadKey(namespace, name)))


def retained(state: ControllerState) -> dict[str, frozenset[str]]:
    """Return the policies' labels that refused nodes keep, as NodeWriter finds them: for pods that still run there."""
    verdicts = state.published.verdicts
    assert verdicts
    refused = [(node, policy) for (node, policy), found in verdicts.nodes.items() if not found.accepted]
    kept = {
        node: frozenset(policy for other, policy in refused if other == node and policy in state.view.occupied(node))
        for node, _ in refused
    }
    return {node: policies for node, policies in kept.items() if policies}


async def measure_workload(state: ControllerState, day: Day, key: SovereignWorkloadKey) -> None:
    obj = state.view.object(SOVEREIGN_WORKLOAD.plural, key.name, key.namespace)
    seen = sovereign._see(state, key, obj)  # noqa: SLF001
    assert obj
    assert isinstance(seen, tuple)
    facts = await sovereign._gather(state, key, obj, seen, day.deployments[key.namespace, key.name])  # noqa: SLF001
    workload_metrics.show(key, report_workload(facts, decide_workload(facts)))


def measure_encryption(policy: str, mode: EncryptionMode, day: Day, *, bare: int, late: int, plain: int) -> None:
    """Show how far a policy's encryption has come. If any sidecar is late, an agent is silent and a sidecar full."""
    silence = SilentAgents("sovereign-system", (("brest-1", "radiology/viewer-0"),) if late else ())
    sidecars = PODS - bare
    refusing = ("radiology/viewer-0",) if late else ()
    loaded = sidecars - late
    seen = ObservedEncryption(
        Step(mode, ()), EncryptionMode.STRICT, PODS, sidecars, loaded, silence=silence, refusing=refusing
    )
    pods = (PodTraffic("radiology/viewer-0", ("10.0.0.1",), sidecar=True, plain_open=plain),)
    wanted = EncryptionInTransit(mode=EncryptionMode.STRICT)
    facts = StepFacts(wanted, mode, "1", day.now - timedelta(hours=1), pods, day.now)
    encryption._measure(policy, seen, facts)  # noqa: SLF001


def show_morning(now: datetime, minute: int) -> None:
    """Show the morning at one minute."""
    day = morning(now, minute)
    measure(day)
    bare = 4 if minute < SUSPENDED else sum(minute < application.moves for application in APPLICATIONS) // 2
    mode = EncryptionMode.PERMISSIVE if minute < PREFERRED else EncryptionMode.PREFERRED
    measure_encryption("secnumcloud", mode, day, bare=bare, late=0, plain=2 * bare)
    common.lead(leads=True)
    common.reconcile(ClusterKey(), failures=3 if minute in FAILING else 0)


def show_bad_day(now: datetime) -> None:
    """Show all that the alerts are about."""
    day = bad_day(now)
    measure(day)
    measure_encryption("secnumcloud", EncryptionMode.STRICT, day, bare=1, late=1, plain=2)
    common.lead(leads=True)
    common.reconcile(ClusterKey(), failures=2)
    common.fail()
    metrics.GUARDS_BROKEN.set(1)
    metrics.GUARDS_DRIFTED.set(1)
    metrics.CERTIFICATES_REPEATED.inc()
