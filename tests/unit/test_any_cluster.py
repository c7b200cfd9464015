"""Whatever others write into a cluster's objects, each reconciler gathers and decides with a declared outcome."""

import asyncio
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller.keys import SovereignWorkloadKey
from sovereign_operator.controller.reconcile import cluster, nodes, pod_counts, roles, statuses
from sovereign_operator.controller.reconcile import encryption as transit
from sovereign_operator.controller.reconcile import pod_annotations as pods
from sovereign_operator.controller.reconcile import workload as sovereign
from sovereign_operator.core.encryption.rollout import next_step as decide_step
from sovereign_operator.core.identity.trust_window import trust_windows
from sovereign_operator.core.placement.facts import Node
from sovereign_operator.core.placement.next_change import next_change
from sovereign_operator.core.placement.verdict import judge_node
from sovereign_operator.core.workload import decision as workload
from sovereign_operator.core.workload.facts import (
    AdoptWorkload,
    ObserveWorkload,
    OwnWorkload,
    RefuseWorkload,
    workload_of,
)
from sovereign_operator.core.workload.status import report_unread, report_workload
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.unreadable import Unreadable
from sovereign_operator.signer.reconcile import authorities
from tests.unit import states
from tests.unit.clusters import NAMES, NAMESPACE, some_cluster, some_workload

RANDOM = st.integers(min_value=0, max_value=2**32).map(Random)


@settings(max_examples=100)
@given(RANDOM)
def test_the_controller_decides_about_any_cluster(random: Random) -> None:
    objects = some_cluster(random)
    state = states.controller(objects)
    verdicts, state.view.guards.findings = states.decide(state), ()
    assert verdicts.policies == state.view.facts().policies.keys()
    cluster.decide(state, state.view.pending.take(), cluster.observe(state, state.view.pending))
    writer = nodes.NodeWriter(state)
    compared = [writer._compare(name) for _, name in state.mirrors.nodes]  # noqa: SLF001
    cluster._measure(verdicts, {}, sites=True)  # noqa: SLF001
    outdated = {(kind.plural, name) for kind in statuses.KINDS for _, name in state.view.keys(kind.plural)}
    for write in (
        *roles.role_writes(state, verdicts, verdicts.policies, "sovereign-system"),
        *(nodes._write_node(state.api, *found) for found in compared if found),  # noqa: SLF001
    ):
        write.close()  # type: ignore[attr-defined]
    assert {one.kind for one in statuses.decide_statuses(state, verdicts, outdated)} <= {*statuses.KINDS}
    assert len(compared) == len(NAMES)
    pod_counts.count_pods(state)
    pod_counts.count_processes(state)
    for seen in state.view.pods():
        pods._annotations(state, verdicts, seen)  # noqa: SLF001


@settings(max_examples=100)
@given(RANDOM)
def test_the_controller_decides_about_any_sovereign_workload(random: Random) -> None:
    objects = some_cluster(random)
    state = states.controller(objects)
    states.decide(state)
    state.view.guards.findings = ()
    for obj in objects[SOVEREIGN_WORKLOAD.plural]:
        key = SovereignWorkloadKey(NAMESPACE, obj["metadata"]["name"])
        seen = sovereign._see(state, key, obj)  # noqa: SLF001
        if isinstance(seen, Unreadable):
            report_unread(obj.get("status", {}), seen.error)
        if not isinstance(seen, tuple):
            continue
        kind, name = workload_of(key.name, seen[0]) or (None, "")
        # For the pods of a CronJob the code would list its Jobs from the API server.
        for live in (None, *([some_workload(name, random)] if kind not in (None, WorkloadKind.CRON_JOB) else [])):
            facts = asyncio.run(sovereign._gather(state, key, obj, seen, live))  # noqa: SLF001
            action = workload.decide_workload(facts)
            assert isinstance(action, AdoptWorkload | OwnWorkload | RefuseWorkload | ObserveWorkload), kind
            report_workload(facts, action)


@settings(max_examples=100)
@given(RANDOM)
def test_the_controller_takes_a_step_of_encryption_in_any_cluster(random: Random) -> None:
    objects = some_cluster(random)
    state = states.controller(objects)

    async def look() -> None:
        assert state.view.sidecars
        for key, found in state.view.objects(SOVEREIGNTY_POLICY.plural).items():
            spec = see_spec(found, SovereigntyPolicySpec)
            if isinstance(spec, SovereigntyPolicySpec) and (wanted := spec.encryption_in_transit):
                pods, _ = transit._pods_in_scope(state, key[1])  # noqa: SLF001
                facts = transit._gather(  # noqa: SLF001
                    state, state.view.sidecars, key[1], wanted, None, pods=pods, obstacles={}
                )
                decide_step(facts)

    asyncio.run(look())


@settings(max_examples=100)
@given(RANDOM)
def test_the_signer_decides_about_any_cluster(random: Random) -> None:
    state = states.signer(some_cluster(random))
    facts = state.facts()
    terms = trust_windows(facts)
    planned = authorities._plan(state, facts, terms, {})  # noqa: SLF001
    assert not planned.retire
    assert all(made.pair in terms for made in planned.create)
    next_change(facts)
    for name in NAMES:
        for policy in NAMES:
            verdict = judge_node(Node(name, f"uid-of-{name}"), policy, state.facts_of(name))
            assert (verdict is None) is (policy not in facts.policies)
