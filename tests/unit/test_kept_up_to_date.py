"""Whatever changes, in whatever order: what the controller does not look at again is as it would be decided afresh."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sovereign_operator.api.v1alpha1 import (
    CLOUD_SERVICE,
    DATACENTRE,
    DEROGATION,
    SOVEREIGN_WORKLOAD,
    SOVEREIGNTY_POLICY,
)
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.controller.keys import PodAnnotationsKey, ReportKey, SovereignWorkloadKey
from sovereign_operator.controller.observed.references import WorkloadReferences
from sovereign_operator.controller.reconcile import cluster, pace, pod_counts, reports, roles, shown_pods, statuses
from sovereign_operator.controller.reconcile import pod_annotations as pods
from sovereign_operator.controller.reconcile import workload as sovereign
from sovereign_operator.controller.reconcile.nodes import NodeWriter
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.identity.grant import granted_namespaces
from sovereign_operator.core.workload.decision import decide_workload
from sovereign_operator.core.workload.facts import workload_of
from sovereign_operator.core.workload.status import report_workload
from tests.builders import NOW
from tests.unit import states
from tests.unit.clusters import NAMES, NAMESPACE, some_cluster, some_workload, sound_object
from tests.unit.placement.brute_force import accepted_nodes, node_verdicts

Json = dict[str, Any]

RANDOM = st.integers(min_value=0, max_value=2**32).map(Random)
KINDS = ("cloudservices", "datacentres", "sovereigntypolicies", "derogations", "sovereignworkloads", "namespaces")
MIRRORED = ("nodes", "pods", "clusterroles")


class Queue:
    """Records the keys that are added."""

    def __init__(self) -> None:
        self.keys: set[Any] = set()

    def add(self, key: Any, _delay: float = 0.0) -> None:
        self.keys.add(key)


def build(objects: Mapping[str, Mapping[str, Json]], now: Any) -> ControllerState:
    """Return a controller that has observed these objects, by plural and name, at this time."""
    state = states.controller({plural: found.values() for plural, found in objects.items()})
    state.api = state.view._api = cast("Any", SimpleNamespace(clock=SimpleNamespace(now=now)))  # type: ignore[attr-defined]  # noqa: SLF001
    state.view._now = now  # noqa: SLF001
    state.queue = state.triggers._queue = Queue()  # noqa: SLF001
    # No task runs that could watch more.
    state.mirrors.follow_pods = lambda wanted: []  # type: ignore[method-assign]  # noqa: ARG005
    state.view.references = WorkloadReferences(state.view.objects(SOVEREIGN_WORKLOAD.plural))
    state.view.guards.findings = ()
    return state


def names_of(plural: str) -> tuple[str, ...]:
    return (NAMESPACE,) if plural == "namespaces" else NAMES


class KeptUpToDate(RuleBasedStateMachine):
    """A controller that observes one change after another, and looks only at what may have changed."""

    @initialize(random=RANDOM)
    def begin(self, random: Random) -> None:
        self.now = NOW
        self.objects: dict[str, dict[str, Json]] = {
            plural: {name: sound_object(plural, name, random) for name in names_of(plural)}
            for plural in (*KINDS, *MIRRORED)
        }
        self.workloads = {name: some_workload(name, random) for name in NAMES}
        self.state = build(self.objects, lambda: self.now)
        for plural in KINDS:
            for obj in self.objects[plural].values():
                self.state.triggers.kind_changed(plural, states.key_of(obj))
        self.reconcile()

    @rule(random=RANDOM, plural=st.sampled_from((*KINDS, *MIRRORED)), name=st.sampled_from(NAMES))
    def change(self, random: Random, plural: str, name: str) -> None:
        name = NAMESPACE if plural == "namespaces" else name
        self.put(plural, name, sound_object(plural, name, random))

    @rule(random=RANDOM, plural=st.sampled_from((*KINDS, *MIRRORED)), name=st.sampled_from(NAMES))
    def spoil(self, random: Random, plural: str, name: str) -> None:
        name = NAMESPACE if plural == "namespaces" else name
        found = {obj["metadata"]["name"]: obj for obj in some_cluster(random)[plural]}
        self.put(plural, name, found[name])

    @rule(plural=st.sampled_from((*KINDS, *MIRRORED)), name=st.sampled_from(NAMES))
    def delete(self, plural: str, name: str) -> None:
        self.put(plural, NAMESPACE if plural == "namespaces" else name, None)

    @rule(days=st.integers(1, 400))
    def time_passes(self, days: int) -> None:
        """Reconcile because of a change that means nothing, when everything was compared just before."""
        self.now += timedelta(days=days)
        self.state.published.compared = self.now
        self.state.view.pending.roles.add("b")
        self.reconcile(services=False)

    def put(self, plural: str, name: str, obj: Json | None) -> None:
        former = self.objects[plural].pop(name, None)
        if obj is not None:
            self.objects[plural][name] = obj
        if (seen := obj or former) is None:
            return
        key = states.key_of(seen)
        if plural in KINDS:
            self.state.mirrors.kinds = {
                kind: {states.key_of(found): [found] for found in self.objects[kind].values()} for kind in KINDS
            }
            self.state.triggers.kind_changed(plural, key)
        else:
            mirrors = {
                "nodes": self.state.mirrors.nodes,
                "pods": self.state.mirrors.placed_pods,
                "clusterroles": self.state.mirrors.roles,
            }
            mirrors[plural]._take("MODIFIED" if obj else "DELETED", seen)  # type: ignore[attr-defined]  # noqa: SLF001
        self.reconcile()

    def reconcile(self, *, services: bool = True) -> None:
        """Reconcile the cluster, and see that whatever is not looked at again is as before.

        The status of a service changes with time, too, and may be late by the time between two full comparisons.
        """
        state = self.state
        # What statuses say of pods is due again.
        self.now += pace.PACE
        before = getattr(self, "answers", None)
        pending = state.view.pending.take()
        look = cluster.observe(state, pending)
        _, outdated = cluster.decide(state, pending, look)
        state.triggers.verdicts_changed(outdated.changes, first=look.first)
        state.published.frozen = False
        outdated_statuses = outdated.statuses | self.report(outdated.statuses)
        self.answers = answers(state, self.workloads)
        keys, state.queue.keys = state.queue.keys, set()  # type: ignore[attr-defined]
        if before is None:
            return
        for what, answer in self.answers.items():
            kind, *key = what
            if CLOUD_SERVICE.plural in key and not services:
                continue
            again = {
                "node": key[0] in outdated.nodes,
                "role": key[0] in outdated.roles,
                "status": (key[0], key[-1]) in outdated_statuses,
                "pod": PodAnnotationsKey(NAMESPACE, key[-1]) in keys,
                "workload": SovereignWorkloadKey(NAMESPACE, key[-1]) in keys,
                "report": ReportKey(key[-1]) in keys,
            }[kind]
            assert again or before.get(what) == answer, what

    def report(self, outdated: frozenset[tuple[str, str]]) -> set[tuple[str, str]]:
        """Write the statuses that are outdated, then those that the count of pods, which is late, finds outdated.

        Return the latter.
        """
        state = self.state
        assert state.published.verdicts
        statuses.decide_statuses(state, state.published.verdicts, outdated)
        pod_counts.count_pods(state)
        counted, state.published.statuses = state.published.statuses, set()
        statuses.decide_statuses(state, state.published.verdicts, counted)
        return counted

    @invariant()
    def the_rest_is_decided_afresh(self) -> None:
        fresh = build(self.objects, lambda: self.now)
        facts = fresh.view.facts()
        nodes = fresh.view.observed_nodes(name for _, name in fresh.mirrors.nodes)
        verdicts = states.decide(fresh)
        kept = self.state.published.verdicts
        assert kept is not None
        assert kept.facts.derogations == facts.derogations
        assert dict(kept.facts.nodes) == {name: node for name, node in nodes.items() if node}
        assert dict(kept.nodes) == node_verdicts(verdicts.facts)
        assert {policy: kept.accepted_nodes(policy) for policy in facts.policies} == accepted_nodes(verdicts.facts)
        labels = fresh.view.namespace_labels()
        granted = {policy: granted_namespaces(policy, spec, labels) for policy, spec in facts.policies.items()}
        assert self.state.published.granted == granted
        fresh.triggers.former.needing_sidecars = {
            policy for policy, spec in fresh.view.policies().items() if fresh.view.needs_sidecar(policy, spec)
        }
        pod_counts.count_pods(fresh)
        for part in ("numbers", "totals"):
            assert getattr(self.state.view.tally.judged, part) == getattr(fresh.view.tally.judged, part)
        assert self.state.view.tally.resting == fresh.view.tally.resting
        for kind, names in (
            (SOVEREIGNTY_POLICY, facts.policies),
            (DATACENTRE, facts.datacentres),
            (CLOUD_SERVICE, facts.services),
        ):
            for name in names:
                said = shown_pods._report(fresh, verdicts, kind.plural, name)  # noqa: SLF001
                assert self.state.published.pods[kind.plural, name].report == said
        kept_report, afresh = (
            reports.render(state, kept, NAMESPACE, open_reports=True) for state in (self.state, fresh)
        )
        assert kept_report == afresh
        for name in self.objects["nodes"]:
            assert self.state.view.occupied(name) == fresh.view.occupied(name)
        for policy in facts.policies:
            held = [pod.pod.uid for pod in self.state.view.pods_in_scope(policy)]
            assert sorted(held) == sorted(
                pod.pod.uid for pod in fresh.view.pods() if fresh.view.policy_of(pod) == policy
            )


def answers(state: ControllerState, workloads: Mapping[str, Json]) -> dict[tuple[str, ...], Any]:
    """Return all that the controller would write."""
    verdicts = state.published.verdicts
    assert verdicts
    found: dict[tuple[str, ...], Any] = {}
    writer = NodeWriter(state)
    for name in verdicts.members:
        compared = writer._compare(name)  # noqa: SLF001
        found["node", name] = compared and compared[0]
    for policy in verdicts.policies:
        found["role", policy] = roles.role_and_binding(state, verdicts, policy, "sovereign-system")
    facts = verdicts.facts
    kinds = (
        (SOVEREIGNTY_POLICY, facts.policies),
        (CLOUD_SERVICE, facts.services),
        (DATACENTRE, facts.datacentres),
        (DEROGATION, facts.derogations),
    )
    readable = [(kind.plural, name) for kind, specs in kinds for name in specs]
    not_trusted = pod_counts.pods_not_trusted(state, facts.policies)
    for one in statuses.reports(state, verdicts, readable, not_trusted):
        if (one.kind.plural, one.name) in readable:
            found["status", one.kind.plural, one.name] = one
    for pod in state.view.pods():
        if pod.pod.node and not pod.ended and not pod.pod.unreadable:
            found["pod", pod.pod.name] = pods._annotations(state, verdicts, pod)  # noqa: SLF001
    found["report", NAMESPACE] = reports.render(state, verdicts, NAMESPACE, open_reports=True)
    for key, obj in state.view.objects(SOVEREIGN_WORKLOAD.plural).items():
        if (said := _say(state, key[1], obj, workloads)) is not None:
            found["workload", key[1]] = said
    return found


def _say(state: ControllerState, name: str, obj: Json, workloads: Mapping[str, Json]) -> Any:
    """Return what the status of a SovereignWorkload would say; None if it is not decided about."""
    key = SovereignWorkloadKey(NAMESPACE, name)
    seen = sovereign._see(state, key, obj)  # noqa: SLF001
    if not isinstance(seen, tuple):
        return None
    kind, target = workload_of(name, seen[0]) or (None, "")
    # For the pods of a CronJob the code would list its Jobs from the API server.
    live = workloads.get(target) if kind not in (None, WorkloadKind.CRON_JOB) else None
    facts = asyncio.run(sovereign._gather(state, key, obj, seen, live))  # noqa: SLF001
    return report_workload(facts, decide_workload(facts))


TestKeptUpToDate = KeptUpToDate.TestCase
TestKeptUpToDate.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
