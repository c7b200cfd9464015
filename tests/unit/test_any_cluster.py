"""Whatever others write into a cluster's objects, each reconciler gathers and decides with a declared outcome."""

import asyncio
from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1 import KINDS, SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller.keys import SovereignWorkloadKey
from sovereign_operator.controller.reconcile import cluster, nodes, pod_counts, roles
from sovereign_operator.controller.reconcile import encryption as transit
from sovereign_operator.controller.reconcile import pod_annotations as pods
from sovereign_operator.controller.reconcile import workload as sovereign
from sovereign_operator.core import names
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
from tests.schema import schema_of
from tests.schema_values import some_value
from tests.unit import states

Json = dict[str, Any]

JUNK: tuple[Any, ...] = (
    *(None, 5, -1, 1e300, True, "", "x" * 300, "0000-01-01"),
    *([], {}, [None], [5], {"a": None}, {"a": {"b": []}}),
)
NAMES = ("a", "b")
NAMESPACE = "ns"
POLICY_LABELS = {names.POLICY_LABEL: "a", names.PLACED_LABEL: "a"}
POD_SPEC = {
    "nodeName": "a",
    "nodeSelector": {names.node_policy_label("a"): names.ACCEPTED},
    "containers": [{"name": "app", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
    "volumes": [{"name": "v", "projected": {"sources": [{"podCertificate": {"signerName": names.SIGNER}}]}}],
}
POD_STATUS = {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "Ready", "status": "True"}]}
RULE = {"apiGroups": [names.GROUP], "resources": ["nodes"], "verbs": ["host"], "resourceNames": ["a"]}


def metadata(name: str, **more: Any) -> Json:
    return {
        "name": name,
        "uid": f"uid-of-{name}",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    } | more


def spoilt(value: Any, random: Random) -> Any:
    """Return a value with random parts replaced by junk."""
    if random.random() < 0.04:
        return deepcopy(random.choice(JUNK))
    if isinstance(value, dict):
        return {key: spoilt(inner, random) for key, inner in value.items() if random.random() > 0.02}
    return [spoilt(inner, random) for inner in value] if isinstance(value, list) else value


def some_cluster(random: Random) -> states.Objects:
    """Return objects that refer to each other, with much junk. Their metadata are as an API server writes them."""
    found: dict[str, list[Json]] = {}
    for kind in KINDS:
        where = {"namespace": NAMESPACE} if kind is SOVEREIGN_WORKLOAD else {}
        found[kind.plural] = [
            {"metadata": metadata(name, **where), "spec": spoilt(some_value(schema_of(kind, "spec"), random), random)}
            for name in NAMES
        ]
    for one in found["datacentres"]:
        if isinstance(one["spec"], dict):
            one["spec"] |= {"serviceRef": {"name": "a"}, "nodes": spoilt([{"name": "a", "uid": "uid-of-a"}], random)}
    for one in found[SOVEREIGN_WORKLOAD.plural]:
        one["status"] = {"conditions": [], **{part: spoilt({"uid": "u"}, random) for part in ("run", "lastWrite")}}
        if isinstance(one["spec"], dict):
            one["spec"] |= {"policyRef": spoilt({"name": "a"}, random)}
    built_in: dict[str, Json] = {
        "nodes": {"spec": {"providerID": "aws:///a", "taints": [{"key": "a", "effect": "NoSchedule"}]}},
        "pods": {"spec": POD_SPEC, "status": POD_STATUS},
        "clusterroles": {"rules": [RULE]},
    }
    labels = {"clusterroles": {names.HOST_ROLE_LABEL: "a"}, "pods": POLICY_LABELS, "nodes": {names.NODE_UID_LABEL: "a"}}
    for plural, content in built_in.items():
        where = {"namespace": NAMESPACE} if plural == "pods" else {}
        found[plural] = [
            {part: spoilt(inner, random) for part, inner in content.items()}
            | {"metadata": metadata(name, labels=labels.get(plural, {}), **where)}
            for name in NAMES
        ]
    enforced = {names.ENFORCE_LABEL: "a"} if random.random() < 0.5 else {}
    found["namespaces"] = [{"metadata": metadata(NAMESPACE, labels=enforced)}]
    return found


RANDOM = st.integers(min_value=0, max_value=2**32).map(Random)


@settings(max_examples=100)
@given(RANDOM)
def test_the_controller_decides_about_any_cluster(random: Random) -> None:
    objects = some_cluster(random)
    state = states.controller(objects)
    verdicts, state.view.guards.findings = states.decide(state), ()
    assert verdicts.policies == state.view.facts().policies.keys()
    cluster._grant(state, verdicts.facts)  # noqa: SLF001
    writer = nodes.NodeWriter(state)
    compared = [writer._compare(name) for _, name in state.mirrors.nodes]  # noqa: SLF001
    cluster._measure(verdicts, {}, sites=True)  # noqa: SLF001
    statuses = {(kind.plural, name) for kind in KINDS for _, name in state.view.keys(kind.plural)}
    for write in (
        *roles.role_writes(state, verdicts, verdicts.policies, "sovereign-system"),
        *(nodes._write_node(state.api, *found) for found in compared if found),  # noqa: SLF001
        *cluster._status_writes(state, verdicts, statuses),  # noqa: SLF001
    ):
        write.close()  # type: ignore[attr-defined]
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
        kind, name = workload_of(key.name, seen[0])
        # For the pods of a CronJob the code would list its Jobs from the API server.
        for live in (None, *([some_workload(name, random)] if kind is not WorkloadKind.CRON_JOB else [])):
            facts = asyncio.run(sovereign._gather(state, key, obj, seen, live))  # noqa: SLF001
            action = workload.decide_workload(facts)
            assert isinstance(action, AdoptWorkload | OwnWorkload | RefuseWorkload | ObserveWorkload), kind
            report_workload(facts, action)


def some_workload(name: str, random: Random) -> Json:
    """Return a workload with the types that an API server enforces; fields without a schema may contain anything."""
    labels = {"app": random.choice(("a", "")), names.POLICY_LABEL: random.choice(("a", "b", ""))}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    if random.random() < 0.3:
        spec = {"jobTemplate": {"spec": spec}, "schedule": "@daily"}
    return {"metadata": metadata(name, namespace=NAMESPACE, labels=labels), "spec": spec, "status": {}}


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
                facts = transit._gather(state, state.view.sidecars, key[1], wanted, None, pods=pods)  # noqa: SLF001
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
