"""Derogations as controller and signer read them, and a status that two write: people and the controller."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sovereign_operator.api.v1alpha1 import DEROGATION
from sovereign_operator.controller import metrics
from sovereign_operator.controller.observed.kopf_trim import trim
from sovereign_operator.controller.reconcile import cluster
from sovereign_operator.controller.reconcile.statuses import decide_statuses
from sovereign_operator.controller.reconcile.write_status import write_status
from sovereign_operator.core import names
from sovereign_operator.core.placement.derogation import Approval
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.placement.status import report_unreadable
from sovereign_operator.core.placement.verdict import judge_node
from sovereign_operator.core.report.report import Report
from sovereign_operator.kube.client.errors import RefusedError
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.objects.derogation import see_approval, see_derogation
from sovereign_operator.kube.objects.node import see_node
from sovereign_operator.kube.unreadable import Unreadable
from tests.builders import NOW
from tests.unit import states

Json = dict[str, Any]

SPEC = {
    "policyRef": {"name": "snc"},
    "serviceRef": {"name": "bleu"},
    "scheme": "SecNumCloud",
    "reason": "pilot",
    "until": "2030-07-01",
}
APPROVED = {"approvedBy": "bob", "approvedGeneration": 2, "approvedUID": "uid-of-pilot"}


def obj(name: str, spec: Any, **metadata: Any) -> Json:
    identity = {"name": name, "uid": f"uid-of-{name}", "resourceVersion": "7", "generation": 2}
    return {"metadata": identity | metadata, "spec": spec}


def derogation(status: Any = APPROVED, asker: str = "ann", spec: Any = SPEC) -> Json:
    return obj("pilot", spec, annotations={names.REQUESTED_BY_ANNOTATION: asker}) | {"status": status}


def estate(*derogations: Json) -> states.Objects:
    """Return a service without a qualification, a datacentre of it, a policy that demands one, and these."""
    return {
        "cloudservices": [obj("bleu", {"provider": "Bleu", "service": "Cloud", "foreignLaws": []})],
        "datacentres": [
            obj(
                "paris",
                {"serviceRef": {"name": "bleu"}, "country": "FR", "nodes": [{"name": "n", "uid": "uid-of-n"}]},
            )
        ],
        "sovereigntypolicies": [
            obj("snc", {"qualifications": [{"scheme": "SecNumCloud"}]}),
            obj("hds", {"qualifications": [{"scheme": "HDS"}]}),
        ],
        "derogations": derogations,
        "nodes": [obj("n", {}, labels={})],
    }


READ: dict[str, tuple[Json, Approval]] = {
    "approved": (derogation(), Approval(2, "ann", "bob", 2, "uid-of-pilot", "uid-of-pilot")),
    "without a status": (obj("pilot", SPEC), Approval(2, uid="uid-of-pilot")),
    "a status of another type": (derogation("approved"), Approval(2, "ann", uid="uid-of-pilot")),
    "fields of another type": (
        derogation({"approvedBy": ["bob"], "approvedGeneration": "2", "approvedUID": 5}, asker=cast("str", 5)),
        Approval(2, uid="uid-of-pilot"),
    ),
}


@pytest.mark.parametrize(("raw", "expected"), READ.values(), ids=READ)
def test_who_agreed_is_read_and_what_is_of_another_type_counts_as_absent(raw: Json, expected: Approval) -> None:
    assert see_approval(raw) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(derogation(), True, id="approved"),
        pytest.param(derogation(APPROVED | {"approvedGeneration": 1}), False, id="changed since"),
        pytest.param(derogation(APPROVED | {"approvedBy": "ann"}), False, id="by who asked"),
        pytest.param(derogation(APPROVED | {"approvedUID": "uid-of-its-former"}), False, id="created again since"),
        pytest.param(derogation({}), False, id="not approved"),
        pytest.param(derogation(asker=""), False, id="not stamped"),
        pytest.param(derogation(spec=SPEC | {"until": "someday"}), False, id="unreadable"),
        pytest.param(
            derogation() | {"metadata": derogation()["metadata"] | {"deletionTimestamp": "2030-06-15T00:00:00Z"}},
            False,
            id="being deleted",
        ),
    ],
)
def test_controller_and_signer_judge_alike(found: Json, *, expected: bool) -> None:
    objects = estate(found)
    verdicts = states.decide(states.controller(objects))
    assert verdicts.accepts("snc", "n") is expected
    assert not verdicts.accepts("hds", "n")
    node = see_node(next(iter(objects["nodes"]))).node
    verdict = judge_node(node, "snc", states.signer(objects).facts_of("n"))
    assert verdict
    assert verdict.accepted is expected


def test_what_kopf_keeps_of_one_is_enough_to_judge_it() -> None:
    annotations = {names.REQUESTED_BY_ANNOTATION: "ann", "filled": "x" * 1000}
    whole = derogation() | {"kind": DEROGATION.name}
    whole["metadata"]["annotations"] = annotations
    kept = trim(whole)
    assert see_derogation(kept) == see_derogation(whole)
    assert kept["metadata"]["annotations"] == {names.REQUESTED_BY_ANNOTATION: "ann"}
    assert "annotations" not in trim(whole | {"kind": "Datacentre"})["metadata"]
    for junk in ({}, {"annotations": None}, {"annotations": "x"}):
        bare = obj("pilot", SPEC, **junk)
        assert trim(bare | {"kind": DEROGATION.name})["metadata"] == bare["metadata"]


@pytest.mark.parametrize(("status", "expected"), [(APPROVED, True), ({}, False)])
def test_one_that_cannot_be_read_may_waive_something_only_if_it_was_approved(status: Json, *, expected: bool) -> None:
    found = see_derogation(derogation(status, spec={}))
    assert isinstance(found, Unreadable)
    assert found.approved is expected
    objects = estate(derogation(status, spec={}))
    for facts in (states.controller(objects).view.facts(), states.signer(objects).facts()):
        assert facts.unread.derogations == (frozenset({"pilot"}) if expected else frozenset())
        assert not facts.derogations


def test_one_that_cannot_be_read_says_so_itself() -> None:
    state = states.controller(estate(derogation(spec=SPEC | {"until": "someday"})))
    (one,) = decide_statuses(state, states.decide(state), ())
    assert (one.kind, one.name) == (DEROGATION, "pilot")
    (observed,) = one.report.observations
    assert (observed.type, observed.status, observed.reason.value) == ("InForce", "False", "Unreadable")
    assert "spec.until" in observed.message
    assert report_unreadable(DEROGATION, "x").status == {}


def test_a_change_of_one_changes_the_verdicts_of_its_policy_alone() -> None:
    verdicts = states.decide(states.controller(estate()))
    changes = verdicts.update(states.controller(estate(derogation())).view.facts(), {})
    assert changes.sites == {Pair("snc", "paris")}
    assert changes.verdicts == (("n", "snc"),)
    assert changes.accepted == {"snc"}
    assert changes.derogations == {"pilot"}


def test_a_metric_has_the_end_of_each_that_somebody_approved() -> None:
    waiting = derogation({}) | {"metadata": derogation()["metadata"] | {"name": "waiting"}}
    cluster._measure_derogations(states.controller(estate(derogation(), waiting)).view.facts().derogations)  # noqa: SLF001
    (about,) = metrics.DEROGATION_END.collect()
    labels = {"derogation": "pilot", "policy": "snc", "service": "bleu", "scheme": "SecNumCloud"}
    end = datetime(2030, 7, 1, 22, tzinfo=UTC).timestamp()
    assert [(sample.labels, sample.value) for sample in about.samples] == [(labels, end)]


class Server:
    """An API server that stores what is applied, or refuses it."""

    clock = SimpleNamespace(now=lambda: NOW)

    def __init__(self, *, full: bool) -> None:
        self.full = full
        self.applied: list[Json] = []
        self.patches: list[Json] = []

    async def apply(self, _kind: Resource, body: Json, **_how: str) -> Json:
        if self.full:
            raise RefusedError(500, "etcdserver: request is too large")
        self.applied.append(body["status"])
        return {"metadata": {"resourceVersion": "8", "generation": 2}}

    async def patch(self, _kind: Resource, _name: str, body: Json, **_how: Any) -> None:
        self.patches.append(body["status"])

    async def create(self, _kind: Resource, _body: Json, _namespace: str) -> None:
        """Take an Event."""


def write(status: Json, server: Server) -> None:
    """Have the controller say that two datacentres rest on one."""
    state = states.controller(estate(derogation(status)))
    state.api = cast("Any", server)
    state.refusals._api = cast("Any", server)  # noqa: SLF001 - the state was built without a server
    asyncio.run(write_status(state, DEROGATION, "pilot", Report({"datacentres": 2}, ())))


def test_the_controller_neither_writes_nor_compares_what_approvers_write() -> None:
    server = Server(full=False)
    write(APPROVED, server)
    assert server.applied == [{"datacentres": 2, "observedGeneration": 2, "conditions": []}]
    write(APPROVED | server.applied[0], server)
    assert len(server.applied) == 1


def test_the_controller_takes_no_approval_away_where_its_status_is_refused() -> None:
    server = Server(full=True)
    write(APPROVED | {"datacentres": 1}, server)
    assert server.patches == [{"datacentres": None}]
