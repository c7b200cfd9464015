"""A namespace's report is right after half a minute, is not written more often, and not without need."""

import asyncio
import itertools
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from sovereign_operator.controller.keys import ReportKey
from sovereign_operator.controller.reconcile import pace, reports
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.errors import RefusedError
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.mirror import Mirror
from sovereign_operator.kube.refused_writes import RefusedWrites
from tests.builders import NOW
from tests.unit.controller.judged_estate import PLACED, WARD, change, estate, namespace, pod, policy
from tests.unit.states import Json

Stored = dict[tuple[Resource, str], Json]
"""Reports, by kind and namespace."""


class Server:
    """A store of reports, which tells mirrors of each change, as an API server does."""

    def __init__(self, stored: Stored) -> None:
        self.now: datetime = NOW
        self.clock = SimpleNamespace(now=lambda: self.now)
        self.stored = stored
        self.mirrors: dict[Resource, Mirror[Any]] = {}
        self.writes: list[tuple[str, datetime]] = []
        self.events: list[Json] = []
        self.refuses = False
        self.refused = 0

    async def apply(self, kind: Resource, body: Json) -> Json:
        if self.refuses:
            self.refused += 1
            raise RefusedError(403, "exceeded quota")
        where: str = body["metadata"]["namespace"]
        self.writes.append((f"apply {kind.kind}", self.now))
        self.stored[kind, where] = body | {"metadata": body["metadata"] | {"uid": f"{kind.kind} of {where}"}}
        self.mirrors[kind]._take("MODIFIED", self.stored[kind, where])  # noqa: SLF001
        return {}

    async def delete(self, kind: Resource, _name: str, uid: str, where: str) -> None:
        gone = self.stored.pop((kind, where))
        assert gone["metadata"]["uid"] == uid
        self.writes.append((f"delete {kind.kind}", self.now))
        self.mirrors[kind]._take("DELETED", gone)  # noqa: SLF001

    async def create(self, _kind: Resource, body: Json, _namespace: str) -> None:
        self.events.append(body)


class Run:
    """A controller whose queue is handled at the times at which its keys are due."""

    def __init__(
        self, *pods: Json, stored: Stored | None = None, served: tuple[bool, bool] = (True, True), **labels: str
    ) -> None:
        self.server = Server({} if stored is None else stored)
        policies = (policy("hds"), policy("strict", countries=["DE"]))
        self.state: ControllerState = estate(*pods, namespaces=(namespace(**labels),), policies=policies)
        self.state.api = cast("Any", self.server)
        self.state.refusals = RefusedWrites(self.state.api)
        self.state.queue = self.state.triggers._queue = cast("Any", self)  # noqa: SLF001
        self._due: dict[ReportKey, datetime] = {}
        assert self.state.view.reports
        self.server.mirrors = self.state.view.reports._mirrors  # noqa: SLF001
        for (kind, mirror), there in zip(self.server.mirrors.items(), served, strict=True):
            mirror._note_served(served=there)  # noqa: SLF001
            for (stored_as, _), obj in self.server.stored.items():
                if stored_as is kind:
                    mirror._take("ADDED", obj)  # noqa: SLF001
        self.state.published.frozen = False
        self.state.triggers.add_reports(self.state.view.namespaces_to_report())
        self.until(NOW)

    def add(self, key: Any, delay: float = 0.0) -> None:
        if isinstance(key, ReportKey):
            due = self.server.now + timedelta(seconds=delay)
            self._due[key] = min(due, self._due.get(key, due))

    def until(self, end: datetime) -> None:
        """Handle what is due by then."""
        while ready := [(due, key.namespace) for key, due in self._due.items() if due <= end]:
            due, where = min(ready)
            self.server.now = max(self.server.now, due)
            del self._due[ReportKey(where)]
            delay = asyncio.run(cast("Any", reports.keep_report(self.state, ReportKey(where))))
            if delay is not None:
                self.add(ReportKey(where), delay)
        self.server.now = end

    def pass_time(self, time: timedelta) -> None:
        self.until(self.server.now + time)

    def observe(self, name: str, now: Json | None) -> None:
        """Have a pod as it is now; None: deleted."""
        gone = {"metadata": {"namespace": WARD, "name": name}}
        self.state.mirrors.placed_pods._take("MODIFIED" if now else "DELETED", now or gone)  # noqa: SLF001
        # As the count of pods, which is due soon, does.
        self.state.triggers.add_reports((WARD,), 5)

    @property
    def wrote(self) -> list[str]:
        return [what for what, _ in self.server.writes]

    def report(self, kind: Resource = resource.REPORTS) -> Json:
        return self.server.stored[kind, WARD]


PODS = (pod("db-0", "brest-1", PLACED), pod("db-1", "paris-1"))


def test_a_namespace_has_a_report_of_all_that_judges_its_pods() -> None:
    run = Run(*PODS, enforce="hds", audit="strict")
    results = run.report()["results"]
    assert [(one["result"], one["policy"], one["rule"]) for one in results] == [
        ("fail", "hds", "enforce"),
        ("warn", "strict", "audit"),
    ]
    assert run.wrote == ["apply Report"]
    run.pass_time(2 * pace.PACE)
    assert run.wrote == ["apply Report"]


def test_one_without_pods_has_one_too() -> None:
    assert Run(warn="hds").report()["results"] == []


def test_a_restart_writes_nothing() -> None:
    before = Run(*PODS, enforce="hds", warn="strict")
    after = Run(*reversed(PODS), stored=before.server.stored, enforce="hds", warn="strict")
    after.pass_time(2 * pace.PACE)
    assert after.wrote == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.sampled_from(("brest-1", "paris-1", "", None)))))
def test_pods_that_come_and_go_write_it_twice_a_minute_at_most(changes: list[tuple[int, int, str | None]]) -> None:
    run, there = Run(enforce="hds"), dict[str, Json]()
    for pause, number, node in changes:
        name = f"db-{number}"
        there.pop(name, None)
        if node is not None:
            there[name] = pod(name, node, PLACED)
        run.observe(name, there.get(name))
        run.pass_time(timedelta(seconds=pause))
    run.pass_time(2 * pace.PACE)
    times = [time for _, time in run.server.writes]
    assert all(late - soon >= pace.PACE for soon, late in itertools.pairwise(times))
    fresh = Run(*there.values(), enforce="hds")
    assert run.report()["results"] == fresh.report()["results"]
    assert run.report()["summary"] == fresh.report()["summary"]


def test_a_namespace_that_leaves_loses_it() -> None:
    run = Run(*PODS, enforce="hds")
    change(run.state, "namespaces", namespace())
    run.pass_time(timedelta(seconds=1))
    assert run.wrote == ["apply Report", "delete Report"]
    assert not run.server.stored


def test_pods_with_a_label_of_their_own_have_one_in_any_namespace_that_is_followed() -> None:
    own = pod("db-0", "paris-1", PLACED | {"sovereignty.dev/policy": "hds"})
    (result,) = Run(own).report()["results"]
    assert result["properties"]["judgedBy"] == "the label sovereignty.dev/policy of the pods"


def test_nothing_is_written_into_a_namespace_that_ends() -> None:
    run = Run(enforce="hds")
    ending = namespace(enforce="hds")
    ending["metadata"]["deletionTimestamp"] = "2030-06-15T12:00:00Z"
    change(run.state, "namespaces", ending)
    run.observe("db-0", pod("db-0", "brest-1", PLACED))
    run.pass_time(2 * pace.PACE)
    assert run.wrote == ["apply Report", "delete Report"]


def test_what_others_change_or_delete_is_written_again() -> None:
    run = Run(*PODS, enforce="hds")
    run.pass_time(pace.PACE)
    forged = run.report() | {"results": []}
    run.server.mirrors[resource.REPORTS]._take("MODIFIED", forged)  # noqa: SLF001
    run.pass_time(timedelta(seconds=1))
    assert run.wrote == ["apply Report"] * 2
    run.pass_time(pace.PACE)
    run.server.mirrors[resource.REPORTS]._take("DELETED", forged)  # noqa: SLF001
    run.pass_time(timedelta(seconds=1))
    assert run.wrote == ["apply Report"] * 3


def test_where_no_kind_for_reports_is_served_nothing_is_written() -> None:
    run = Run(*PODS, served=(False, False), enforce="hds")
    run.pass_time(pace.PACE)
    assert run.wrote == []


def test_the_kind_that_the_cluster_has_is_written_and_the_newer_one_once_it_has_that() -> None:
    run = Run(*PODS, served=(False, True), enforce="hds")
    assert run.wrote == ["apply PolicyReport"]
    assert "source" not in run.report(resource.POLICY_REPORTS)
    run.server.mirrors[resource.REPORTS]._note_served(served=True)  # noqa: SLF001
    run.pass_time(pace.PACE)
    assert run.wrote == ["apply PolicyReport", "delete PolicyReport", "apply Report"]


def test_a_namespace_that_refuses_it_is_told_once_and_asked_rarely() -> None:
    run = Run(enforce="hds", served=(False, False))
    run.server.refuses = True
    run.server.mirrors[resource.REPORTS]._note_served(served=True)  # noqa: SLF001
    for number in range(10):
        run.observe("db-0", pod("db-0", "brest-1" if number % 2 else "paris-1", PLACED))
        run.pass_time(timedelta(seconds=1))
    (event,) = run.server.events
    assert (event["reason"], event["involvedObject"]["name"]) == ("NotWritten", WARD)
    assert "exceeded quota" in event["message"]
    assert run.server.refused == 1


def test_while_crds_are_missing_reports_stay_as_they_are() -> None:
    run = Run(*PODS, enforce="hds")
    run.state.published.frozen = True
    change(run.state, "namespaces", namespace())
    run.pass_time(pace.PACE)
    assert run.wrote == ["apply Report"]
    run.state.published.frozen = False
    run.pass_time(pace.PACE)
    assert run.wrote == ["apply Report", "delete Report"]
