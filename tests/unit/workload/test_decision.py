"""What the controller does with a workload."""

import pytest

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.workload.decision import decide_workload, is_abandoned
from sovereign_operator.core.workload.facts import (
    AdoptWorkload,
    ObserveWorkload,
    OwnWorkload,
    RefuseWorkload,
    Workload,
    WorkloadFacts,
)
from sovereign_operator.core.workload.status import report_workload
from tests.unit.workload.builders import ADOPTED, POLICY, facts, pod, ref, template, workload

REFUSALS = {
    ConditionReason.SYSTEM_NAMESPACE: facts(in_system_namespace=True),
    ConditionReason.NO_POLICY: facts(spec=ref(policy=None)),
    ConditionReason.POLICY_CONFLICT: facts(enforced="hds"),
    ConditionReason.UNKNOWN_POLICY: facts(spec=ref(policy="secnumcluod")),
    ConditionReason.ALREADY_TAKEN: facts(taken_by="older"),
    ConditionReason.WORKLOAD_NOT_FOUND: facts(target=None),
    ConditionReason.TEMPLATE_TOO_LARGE: facts(
        spec=template(), template_problem="it has 300000 bytes: move what is large"
    ),
    ConditionReason.WORKLOAD_TOO_LARGE: facts(target=workload(crowd="30000 labels")),
    ConditionReason.NAME_TAKEN: facts(spec=template(), target=workload(owner_uid="somebody")),
    ConditionReason.NO_NODE_ACCEPTED: facts(pods=(pod(placed=False),), accepted_nodes=0),
    ConditionReason.JOB_IMMUTABLE: facts(spec=ref("Job"), target=workload(WorkloadKind.JOB)),
}


@pytest.mark.parametrize(
    "told",
    [
        facts(accepted_nodes=0),
        facts(spec=ref("CronJob"), target=workload(WorkloadKind.CRON_JOB), pods=(pod(placed=False),), accepted_nodes=0),
    ],
    ids=["nothing runs", "only later pods are placed"],
)
def test_what_stops_nothing_is_taken_though_no_node_is_accepted(told: WorkloadFacts) -> None:
    assert isinstance(decide_workload(told), AdoptWorkload)


@pytest.mark.parametrize(("reason", "told"), REFUSALS.items(), ids=[reason.value for reason in REFUSALS])
def test_what_cannot_be_carried_out_is_refused_with_a_word_and_what_to_do(
    reason: ConditionReason, told: WorkloadFacts
) -> None:
    action = decide_workload(told)
    assert isinstance(action, RefuseWorkload)
    assert action.reason is reason
    assert any(word in action.message for word in (":", "label", "use"))
    report = report_workload(told, action)
    assert [seen.status for seen in report.observations] == ["False", "Unknown", "Unknown", "Unknown", "False"]
    assert report.observations[-1].reason is reason


def test_an_empty_label_on_the_namespace_is_no_policy() -> None:
    action = decide_workload(facts(enforced="", spec=ref(policy=None)))
    assert isinstance(action, RefuseWorkload)
    assert action.reason is ConditionReason.NO_POLICY


ACTIONS = {
    "an unlabelled namespace": (facts(), AdoptWorkload),
    "already adopted": (facts(target=workload(**ADOPTED)), ObserveWorkload),
    "adopted, but somebody took the template's label": (
        facts(target=workload(**{**ADOPTED, "template_policy": None})),
        AdoptWorkload,
    ),
    "somebody else's label of the same name": (
        facts(target=workload(policy=POLICY, template_policy=POLICY)),
        AdoptWorkload,
    ),
    "adopted for another policy": (
        facts(target=workload(policy="hds", template_policy="hds", ours=True)),
        AdoptWorkload,
    ),
    "a labelled namespace, no pod yet": (facts(enforced=POLICY), ObserveWorkload),
    "a labelled namespace, all pods placed": (facts(enforced=POLICY, pods=(pod(),)), ObserveWorkload),
    "a labelled namespace, a pod of before": (
        facts(enforced=POLICY, pods=(pod(), pod("old", placed=False))),
        AdoptWorkload,
    ),
    "a labelled namespace, a template that says another": (
        facts(enforced=POLICY, target=workload(template_policy="hds")),
        AdoptWorkload,
    ),
    "a Job in a labelled namespace": (
        facts(enforced=POLICY, spec=ref("Job"), target=workload(WorkloadKind.JOB)),
        ObserveWorkload,
    ),
    "a Job with the label": (
        facts(spec=ref("Job"), target=workload(WorkloadKind.JOB, template_policy=POLICY)),
        ObserveWorkload,
    ),
    "a template without its workload": (facts(spec=template(), target=None), OwnWorkload),
    "a template that differs": (facts(spec=template(), target=workload(owner_uid="s")), OwnWorkload),
    "a template as it should be": (
        facts(spec=template(), target=workload(owner_uid="s"), as_rendered=True),
        ObserveWorkload,
    ),
}


@pytest.mark.parametrize(("told", "expected"), ACTIONS.values(), ids=ACTIONS.keys())
def test_what_is_done(told: WorkloadFacts, expected: type) -> None:
    assert isinstance(decide_workload(told), expected)


def test_the_namespaces_policy_counts_before_the_specs() -> None:
    assert decide_workload(facts(enforced=POLICY, spec=ref(policy=None), pods=(pod(placed=False),))) == AdoptWorkload(
        workload(), POLICY
    )


@pytest.mark.parametrize(
    ("seen", "referenced", "abandoned"),
    [
        (workload(**ADOPTED), False, True),
        (workload(**ADOPTED), True, False),
        (workload(), False, False),
        (workload(policy=POLICY, template_policy=POLICY), False, False),
        (workload(**ADOPTED, owner_uid="s"), False, False),
    ],
    ids=["adopted", "spoken of", "never ours", "the label is somebody else's", "owned"],
)
def test_only_what_was_adopted_and_nobody_speaks_of_is_given_back(
    seen: Workload, referenced: bool, abandoned: bool
) -> None:
    assert is_abandoned(seen, referenced=referenced) is abandoned
