"""Whether taking a workload into scope would stop its pods."""

from dataclasses import replace
from typing import Any

import pytest

from sovereign_operator.api.v1alpha1.sovereign_workload import Adoption, WorkloadKind
from sovereign_operator.core.kubernetes.node_fit import NodeTraits, PodDemands, demands_of
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.workload.adoption import (
    RollOut,
    ordinals,
    refuse_to_stop,
    replaced,
    rolls_out,
    stops_first,
    stuck,
)
from sovereign_operator.core.workload.decision import decide_workload
from sovereign_operator.core.workload.facts import AdoptWorkload
from tests.unit.workload.builders import facts, pod, ref, workload

NODES = [NodeTraits("good", {"zone": "north"})]
FREE = PodDemands("app-1", ())
BOUND = PodDemands("app-0", demands_of({"nodeSelector": {"zone": "south"}}))


@pytest.mark.parametrize(
    ("kind", "spec", "first"),
    [
        ("Deployment", {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}}, False),
        ("Deployment", {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}, False),
        ("Deployment", {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}}, True),
        ("Deployment", {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "0%"}}}, True),
        ("Deployment", {"strategy": {"type": "Recreate"}}, True),
        ("StatefulSet", {}, True),
        ("DaemonSet", {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}, True),
    ],
)
def test_which_strategies_take_a_pod_away_first(kind: str, spec: dict[str, Any], first: bool) -> None:
    assert stops_first(WorkloadKind(kind), spec) is first


@pytest.mark.parametrize(
    ("kind", "spec", "rolls"),
    [
        ("Deployment", {"replicas": 1}, True),
        ("Deployment", {"replicas": 0}, False),
        ("Deployment", {"replicas": 1, "paused": True}, False),
        ("StatefulSet", {"replicas": 1}, True),
        ("StatefulSet", {"replicas": 1, "updateStrategy": {"type": "OnDelete"}}, False),
        ("StatefulSet", {"replicas": 1, "updateStrategy": {"rollingUpdate": {"partition": 1}}}, False),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, True),
        ("CronJob", {}, False),
        ("Job", {}, False),
    ],
)
def test_what_a_new_label_rolls_out(kind: str, spec: dict[str, Any], rolls: bool) -> None:
    assert rolls_out(WorkloadKind(kind), spec) is rolls


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": 3}, [2, 1, 0]),
        ({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}}, [2, 1]),
        ({"replicas": 2, "ordinals": {"start": 5}}, [6, 5]),
        ({"replicas": 2, "ordinals": {"start": 5}, "updateStrategy": {"rollingUpdate": {"partition": 1}}}, [6]),
    ],
)
def test_a_stateful_set_is_rolled_out_from_its_last_pod(spec: dict[str, Any], expected: list[int]) -> None:
    assert list(ordinals(spec)) == expected


@pytest.mark.parametrize(
    ("asked", "existing", "highest", "count"),
    [
        (3, 3, 2, 3),
        # One of them is just being made again, or the status lags.
        (3, 2, 2, 3),
        (3, 0, 2, 3),
        (2**31 - 1, 1, 100, 101),
        (2**31 - 1, 2**31 - 1, 4999, 5000),
    ],
)
def test_pods_that_were_never_made_are_not_replaced(asked: int, existing: int, highest: int, count: int) -> None:
    """The API server stores any number, and the controller names each of those that it looks at."""
    found = replaced({"replicas": asked}, existing)
    assert (found[0], found[-1], len(found)) == (highest, 0, count)


def test_the_pod_that_finds_no_node_is_named() -> None:
    assert not stuck(RollOut((FREE,), stops_first=True), NODES)
    said = stuck(RollOut((FREE, BOUND), stops_first=True), NODES)
    assert said.startswith("app-0 would find no node among the 1 accepted: ")
    assert "zone In south" in said


@pytest.mark.parametrize(
    ("changed", "stops", "refused"),
    [
        ({"pods": (pod(placed=False),)}, True, True),
        ({"pods": (pod(placed=False),)}, False, False),
        # A workload without running pods cannot be stopped.
        ({"pods": ()}, True, False),
        (
            {"pods": (pod(placed=False),), "spec": ref("StatefulSet").model_copy(update={"adoption": Adoption.FORCE})},
            True,
            False,
        ),
    ],
    ids=["it would stop", "the old pod runs on", "nothing runs", "forced"],
)
def test_what_would_stop_is_refused(changed: dict[str, Any], stops: bool, refused: bool) -> None:
    told = replace(facts(spec=ref("StatefulSet"), target=workload(WorkloadKind.STATEFUL_SET)), **changed)
    refusal = refuse_to_stop(told, RollOut((BOUND,), stops_first=stops), NODES)
    assert bool(refusal) is refused
    if refusal:
        assert refusal.reason is ConditionReason.WOULD_STOP
        assert "StatefulSet app" in refusal.message
        assert "spec.adoption: Force" in refusal.message


def test_force_takes_what_no_node_accepts_either() -> None:
    told = facts(pods=(pod(placed=False),), accepted_nodes=0)
    forced = replace(told, spec=told.spec.model_copy(update={"adoption": Adoption.FORCE}))
    assert isinstance(decide_workload(forced), AdoptWorkload)
