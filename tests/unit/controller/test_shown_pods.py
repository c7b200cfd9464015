"""What a status says of pods is right after half a minute, and is not written more often for their sake."""

import itertools
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, SOVEREIGNTY_POLICY
from sovereign_operator.controller.keys import PodCountsKey, StatusesKey
from sovereign_operator.controller.reconcile import pace, pod_counts, statuses
from sovereign_operator.controller.state import ControllerState
from tests.builders import NOW
from tests.schema import schema_of, sent, violations, with_defaults
from tests.unit import states
from tests.unit.controller.judged_estate import PLACED, WARD, estate, namespace, pod, policy
from tests.unit.states import Json

HDS = (SOVEREIGNTY_POLICY.plural, "hds")


class Run:
    """A controller whose queue is handled at the times at which its keys are due, and the statuses that it writes."""

    def __init__(self, *pods: Json, **labels: str) -> None:
        self.now: datetime = NOW
        self.state: ControllerState = estate(*pods, namespaces=(namespace(**labels),), policies=(policy("hds"),))
        self.state.api = cast("Any", SimpleNamespace(clock=SimpleNamespace(now=lambda: self.now)))
        self.state.queue = self.state.triggers._queue = cast("Any", self)  # noqa: SLF001
        self.state.published.granted = {"hds": ()}
        self._due: dict[Any, datetime] = {}
        self.written: list[tuple[datetime, Json]] = []
        self.write(HDS)

    def add(self, key: Any, delay: float = 0.0) -> None:
        due = self.now + timedelta(seconds=delay)
        self._due[key] = min(due, self._due.get(key, due))

    def until(self, end: datetime) -> None:
        """Handle what is due by then."""
        handled = (PodCountsKey(), StatusesKey())
        while ready := sorted(
            (due, handled.index(key)) for key, due in self._due.items() if key in handled and due <= end
        ):
            due, which = ready[0]
            self.now = max(self.now, due)
            del self._due[handled[which]]
            if which:
                outdated, self.state.published.statuses = self.state.published.statuses, set()
                self.write(*outdated)
            else:
                pod_counts.count_pods(self.state)
        self.now = end

    def write(self, *outdated: tuple[str, str]) -> None:
        """Write statuses as the reconciler does: those that differ. Keep those of the policy."""
        assert self.state.published.verdicts
        for one in statuses.decide_statuses(self.state, self.state.published.verdicts, outdated):
            if one.name == "hds" and (not self.written or self.written[-1][1] != one.report.status):
                self.written.append((self.now, one.report.status))

    def observe(self, name: str, now: Json | None) -> None:
        """Have a pod as it is now; None: deleted."""
        gone = {"metadata": {"namespace": WARD, "name": name}}
        self.state.mirrors.placed_pods._take("MODIFIED" if now else "DELETED", now or gone)  # noqa: SLF001

    def counts(self) -> Json:
        counts: Json = self.written[-1][1]["pods"]
        return counts


def test_a_status_counts_pods_and_names_owners() -> None:
    run = Run(pod("db-0", "brest-1", PLACED), pod("db-1", "paris-1"), pod("alone", labels=PLACED), enforce="hds")
    ((_, status),) = run.written
    schema, stored = schema_of(SOVEREIGNTY_POLICY, "status"), sent(status | {"conditions": []})
    assert not [*violations(schema, stored)]
    assert with_defaults(schema, stored) == stored
    assert {key: number for key, number in status["pods"].items() if number} == {
        "held": 3,
        "inside": 1,
        "outside": 1,
        "pending": 1,
        "older": 1,
    }
    outside, waits = status["podExamples"]
    assert (outside["namespace"], outside["owner"], outside["mode"]) == (WARD, "StatefulSet/db", "enforce")
    assert "1 of 2 pod(s) are outside: db-1 runs on paris-1: " in outside["message"]
    assert outside["message"].endswith("kubectl -n ward rollout restart statefulset/db")
    assert (waits["owner"], "wait for a node" in waits["message"]) == ("Pod/alone", True)


def test_pods_on_which_a_policy_is_tried_are_counted_apart() -> None:
    run = Run(pod("db-0", "brest-1"), pod("db-1", "paris-1"), warn="hds")
    assert {key: number for key, number in run.counts().items() if number} == {"tried": 2, "triedOutside": 1}
    ((_, status),) = run.written
    assert [example["mode"] for example in status["podExamples"]] == ["warn"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.sampled_from(("brest-1", "paris-1", "", None)))))
def test_pods_that_come_and_go_write_a_status_twice_a_minute_at_most(
    changes: list[tuple[int, int, str | None]],
) -> None:
    run, there = Run(enforce="hds"), dict[str, str]()
    for pause, number, node in changes:
        name = f"db-{number}"
        run.observe(name, None if node is None else pod(name, node, PLACED))
        there.pop(name, None)
        if node is not None:
            there[name] = node
        run.until(run.now + timedelta(seconds=pause))
    run.until(run.now + 2 * pace.PACE)
    times = [time for time, _ in run.written]
    assert all(late - soon >= pace.PACE for soon, late in itertools.pairwise(times))
    assert run.counts()["held"] == len(there)
    assert run.counts()["outside"] == sum(node == "paris-1" for node in there.values())


def test_another_change_of_the_status_does_not_wait() -> None:
    run = Run(enforce="hds")
    run.observe("db-0", pod("db-0", "brest-1", PLACED))
    run.until(run.now + timedelta(seconds=1))
    run.state.published.granted = {"hds": (WARD,)}
    run.write(HDS)
    _, (written, status) = run.written
    assert (written, status["grantedNamespaces"], status["pods"]["held"]) == (run.now, [WARD], 0)
    run.until(NOW + pace.PACE)
    assert run.counts()["held"] == 1


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    run = Run(enforce="hds")
    run.now -= timedelta(hours=1)
    run.observe("db-0", pod("db-0", "brest-1", PLACED))
    run.until(run.now + timedelta(seconds=5))
    assert run.counts()["held"] == 1


def test_datacentre_and_service_count_the_pods_that_rest_on_them() -> None:
    keys = (CLOUD_SERVICE.plural, "armor"), (DATACENTRE.plural, "berlin"), (DATACENTRE.plural, "brest")
    run = Run(pod("db-0", "brest-1", PLACED), pod("db-1", "paris-1"), pod("db-2"), enforce="hds")
    shown = run.state.published.pods

    def resting() -> list[int]:
        return [shown[key].report.status["pods"] for key in keys]

    run.write(*keys)
    assert resting() == [1, 0, 1]
    run.observe("db-0", None)
    run.observe("db-3", pod("db-3", "brest-1", PLACED))
    run.observe("db-4", pod("db-4", "brest-1", PLACED))
    run.until(run.now + 2 * pace.PACE)
    assert resting() == [2, 0, 2]
    run.state.mirrors.kinds = {**run.state.mirrors.kinds, "namespaces": {("", WARD): [namespace(warn="hds")]}}
    run.state.triggers.kind_changed("namespaces", ("", WARD))
    run.until(run.now + 2 * pace.PACE)
    assert resting() == [0, 0, 0]


def test_a_policy_that_is_gone_is_forgotten() -> None:
    run = Run(pod("db-0", "brest-1", PLACED), enforce="hds")
    run.state.mirrors.kinds = {**run.state.mirrors.kinds, "sovereigntypolicies": {}}
    run.state.triggers.kind_changed("sovereigntypolicies", ("", "hds"))
    states.decide(run.state)
    run.until(run.now + timedelta(minutes=1))
    assert HDS not in run.state.published.pods
