"""A derogation takes two persons: nobody makes one alone, whatever other rights they hold."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.derogations import (
    NODE,
    approval,
    approve,
    bind,
    derogation,
    patching,
    standing,
    unbind,
    until_allowed,
)
from tests.e2e.support.estate import host_names, until_in_force
from tests.e2e.support.guards import without_bindings, without_stamp
from tests.e2e.support.installation import MALLORY
from tests.e2e.support.rbac import may, role
from tests.e2e.support.tokens import OURS_API, Request, asking

pytestmark = pytest.mark.every_kubernetes

GUARD = "sovereignty-guard-derogations"
POLICY = "derogated"
REQUESTER, APPROVER = "sovereignty-derogation-requester", "sovereignty-derogation-approver"
EVERYTHING_ELSE = "all-but-approve"
"""A role with all rights on Derogations and their status, except the verb approve."""
ANN, BOB, EVE = "ann", "bob", "eve"
ROLES = {ANN: (REQUESTER, EVERYTHING_ELSE), BOB: (APPROVER,), EVE: (REQUESTER, APPROVER)}
NOBODY = dict.fromkeys(("approvedBy", "approvedGeneration", "approvedUID"))
"""A status without an approval."""
RIGHTS = ((ANN, "patch", "--subresource=status"), (BOB, "approve"), (EVE, "create"), (EVE, "approve"))
"""One right of each binding."""
STATUS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


@pytest.fixture(scope="module")
def people(admin: Kubectl, cluster: Cluster) -> Iterator[dict[str, Kubectl]]:
    """One who may do everything but approve, one who may approve, and one who may ask and approve."""
    rules = [may(verb, resource) for resource in ("derogations", "derogations/status") for verb in STATUS]
    admin.apply(role(EVERYTHING_ELSE, *rules), estate.policy(admin, POLICY))
    until_in_force(admin, POLICY)
    for user, roles in ROLES.items():
        bind(admin, user, *roles)
    found = {user: Kubectl(cluster.user_kubeconfig(user)) for user in ROLES}
    for user, *right in RIGHTS:
        until_allowed(found[user], *right)
    yield found
    for user, roles in ROLES.items():
        unbind(admin, user, *roles)
    admin.delete("clusterrole", EVERYTHING_ELSE)
    admin.delete("sovereigntypolicy", POLICY)


@pytest.fixture
def asked(admin: Kubectl, people: dict[str, Kubectl]) -> Iterator[str]:
    """A Derogation that Ann asked for, in force if somebody approves it."""
    name = f"asked-{uuid4().hex[:6]}"
    people[ANN].create(derogation(name, POLICY))
    yield name
    admin.delete("derogation", name)
    eventually(lambda: NODE not in host_names(admin, POLICY), what="the former nodes")


def refused(person: Kubectl, *words: str, stdin: str | None = None) -> str:
    """Return why the guard refuses a request. Fails if it does not."""
    message = person.refusal(*words, "--dry-run=server", stdin=stdin)
    assert f"ValidatingAdmissionPolicy '{GUARD}'" in message, message
    return message


def test_one_asks_another_approves_and_it_is_in_force(admin: Kubectl, people: dict[str, Kubectl], asked: str) -> None:
    stamped = admin.get("derogation", asked)["metadata"]["annotations"]
    assert stamped[names.REQUESTED_BY_ANNOTATION] == ANN
    eventually(lambda: standing(admin, asked) == ("False", "AwaitingApproval"), what="word of it")
    assert NODE not in host_names(admin, POLICY)
    approve(people[BOB], asked, BOB)
    eventually(lambda: NODE in host_names(admin, POLICY), what="a node that is accepted")
    eventually(lambda: standing(admin, asked) == ("True", "Approved"), what="word of it")

    people[BOB].run(*patching(asked, NOBODY))
    eventually(lambda: NODE not in host_names(admin, POLICY), what="a node that is refused")
    eventually(lambda: standing(admin, asked) == ("False", "AwaitingApproval"), what="word of it")


NOT_APPROVERS: dict[str, dict[str, Any]] = {
    "in their own name": {"approvedBy": ANN},
    "in an approver's name": {"approvedBy": BOB},
    "in the name of nobody": {"approvedBy": None},
    "a generation to come": {"approvedGeneration": 2},
}


@pytest.mark.parametrize("other", NOT_APPROVERS.values(), ids=NOT_APPROVERS)
def test_who_lacks_the_verb_approves_nothing(people: dict[str, Kubectl], asked: str, other: Json) -> None:
    ann = people[ANN]
    status = approval(ann.get("derogation", asked), BOB, **other)
    assert f"not an approver: ann may not approve Derogation {asked}" in refused(ann, *patching(asked, status))


def test_no_way_of_writing_goes_past_the_guard(people: dict[str, Kubectl], asked: str) -> None:
    ann = people[ANN]
    read = ann.get("derogation", asked)
    # Without a version, for the operator may write its status meanwhile.
    unversioned = {key: value for key, value in read["metadata"].items() if key in {"name", "uid", "annotations"}}
    whole = json.dumps(read | {"metadata": unversioned, "status": {**read.get("status", {}), **approval(read, BOB)}})
    part = {key: read[key] for key in ("apiVersion", "kind")} | {
        "metadata": {"name": asked},
        "status": approval(read, BOB),
    }
    operations = [{"op": "add", "path": "/status", "value": approval(read, BOB)}]
    status = ("--subresource=status",)
    assert "not an approver" in refused(ann, "replace", *status, "-f", "-", stdin=whole)
    apply = ("apply", "--server-side", "--force-conflicts")
    assert "not an approver" in refused(ann, *apply, *status, "-f", "-", stdin=json.dumps(part))
    forged = (*apply, f"--field-manager={names.FIELD_MANAGER}")
    assert "not an approver" in refused(ann, *forged, *status, "-f", "-", stdin=json.dumps(part))
    assert "not an approver" in refused(
        ann, "patch", "derogation", asked, *status, "--type=json", "-p", json.dumps(operations)
    )
    # The API server itself drops the status of what is written to the object.
    for words in (("replace",), (*apply, "--validate=false"), (*forged, "--validate=false")):
        body = json.dumps(part | {"spec": read["spec"]}) if "apply" in words else whole
        # kubectl replace takes the version that it has just read, which the operator may replace meanwhile.
        line = (*words, "-f", "-")
        eventually(lambda line=line, body=body: not ann.attempt(*line, stdin=body).returncode, what=" ".join(words))  # type: ignore[misc]
        assert "approvedBy" not in ann.get("derogation", asked).get("status", {})


def test_who_creates_one_with_a_status_has_asked_and_nothing_else(
    admin: Kubectl, people: dict[str, Kubectl], asked: str
) -> None:
    ann, name = people[ANN], f"{asked}-born"
    read = admin.get("derogation", asked)
    try:
        ann.create(derogation(name, POLICY) | {"status": approval(read, BOB, approvedGeneration=1)})
        assert "approvedBy" not in admin.get("derogation", name).get("status", {})
    finally:
        admin.delete("derogation", name)


def test_who_may_do_both_approves_nothing_of_their_own(
    admin: Kubectl, people: dict[str, Kubectl], mallory: Kubectl, asked: str
) -> None:
    for user, person in ((EVE, people[EVE]), (MALLORY, mallory)):
        name = f"{asked}-{user}"
        person.create(derogation(name, POLICY))
        try:
            status = approval(admin.get("derogation", name), user)
            assert f"own request: {user} asked for Derogation {name}" in refused(person, *patching(name, status))
            # Whoever changes one has asked for it.
            person.run("patch", "derogation", asked, "--type=merge", "-p", json.dumps({"spec": {"reason": user}}))
            status = approval(admin.get("derogation", asked), user)
            assert "own request" in refused(person, *patching(asked, status))
        finally:
            admin.delete("derogation", name)


def test_an_approver_speaks_for_nobody_else(people: dict[str, Kubectl], asked: str) -> None:
    bob = people[BOB]
    read = bob.get("derogation", asked)
    for other in (EVE, ANN, MALLORY):
        assert "another name: bob can approve" in refused(bob, *patching(asked, approval(read, other)))
    assert "another name" in refused(bob, *patching(asked, {"approvedGeneration": 1}))
    wrong_ones: tuple[Json, ...] = (
        *({"approvedGeneration": number} for number in (2, None)),
        *({"approvedUID": uid} for uid in ("other", None)),
    )
    for wrong in wrong_ones:
        assert "another version" in refused(bob, *patching(asked, approval(read, BOB, **wrong)))
    bob.run(*patching(asked, approval(read, BOB)), "--dry-run=server")


def test_what_was_approved_and_then_changed_is_not_in_force(
    admin: Kubectl, people: dict[str, Kubectl], asked: str
) -> None:
    ann, bob = people[ANN], people[BOB]
    approve(bob, asked, BOB)
    eventually(lambda: NODE in host_names(admin, POLICY), what="a node that is accepted")
    ann.run("patch", "derogation", asked, "--type=merge", "-p", json.dumps({"spec": {"reason": "another"}}))
    eventually(lambda: NODE not in host_names(admin, POLICY), what="a node that is refused")
    eventually(lambda: standing(admin, asked) == ("False", "ChangedSinceApproval"), what="word of it")
    # To write the former text again is another change.
    ann.run("patch", "derogation", asked, "--type=merge", "-p", json.dumps({"spec": {"reason": "pilot"}}))
    eventually(lambda: standing(admin, asked) == ("False", "ChangedSinceApproval"), what="word of it")
    generation = admin.get("derogation", asked)["metadata"]["generation"]
    assert "not an approver" in refused(ann, *patching(asked, {"approvedGeneration": generation}))
    assert NODE not in host_names(admin, POLICY)


def test_one_that_was_created_again_is_another_one(admin: Kubectl, people: dict[str, Kubectl], asked: str) -> None:
    """The approver reads the first one, and approves the second one unseen."""
    ann, bob = people[ANN], people[BOB]
    read = bob.get("derogation", asked)
    ann.delete("derogation", asked)
    ann.create(derogation(asked, POLICY, reason="no pilot at all"))
    assert admin.get("derogation", asked)["metadata"]["generation"] == read["metadata"]["generation"]
    assert "another version" in refused(bob, *patching(asked, approval(read, BOB)))


FORGED = {names.REQUESTED_BY_ANNOTATION: BOB}


def test_nobody_says_who_asked_but_the_api_server(admin: Kubectl, people: dict[str, Kubectl], asked: str) -> None:
    eve = people[EVE]

    def requester(name: str) -> str:
        return str(admin.get("derogation", name)["metadata"]["annotations"][names.REQUESTED_BY_ANNOTATION])

    annotate = ("annotate", "derogation", asked, "--overwrite")
    eve.run(*annotate, f"{names.REQUESTED_BY_ANNOTATION}={BOB}")
    assert requester(asked) == ANN
    eve.run(*annotate, f"{names.REQUESTED_BY_ANNOTATION}-")
    assert requester(asked) == ANN
    forged = derogation(f"{asked}-forged", POLICY)
    forged["metadata"]["annotations"] = FORGED
    try:
        eve.apply(forged, options=["--server-side", "--force-conflicts"])
        assert requester(f"{asked}-forged") == EVE
    finally:
        admin.delete("derogation", f"{asked}-forged")
    with without_stamp(admin):
        # A deleted binding stays in effect for some moments.
        message = eventually(
            lambda: eve.refusal("create", "--dry-run=server", "-f", "-", stdin=json.dumps(forged)),
            seconds=20,
            what="a forged request without the stamp",
        )
        assert "not stamped: the annotation audit.sovereignty.dev/requested-by" in message
        removed = eve.refusal(*annotate, f"{names.REQUESTED_BY_ANNOTATION}=eve", "--dry-run=server")
        assert "not stamped" in removed
    again = ("create", "--dry-run=server", "-f", "-")
    eventually(lambda: eve.run(*again, stdin=json.dumps(forged)), what="the stamp again")


def test_only_the_controller_says_what_follows(people: dict[str, Kubectl], asked: str) -> None:
    in_force = {"type": "InForce", "status": "True", "reason": "Approved", "message": "", "observedGeneration": 1}
    conditions = [in_force | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]
    for person in (people[ANN], people[BOB]):
        for status in ({"conditions": conditions}, {"datacentres": 5}, {"observedGeneration": 9}):
            assert "operator's status" in refused(person, *patching(asked, status))


def test_the_controllers_token_approves_nothing_and_takes_no_approval_away(
    admin: Kubectl, people: dict[str, Kubectl], cluster: Cluster, asked: str
) -> None:
    ask = asking(cluster, admin.run("-n", NAMESPACE, "create", "token", "sovereign-controller").strip())
    path = f"{OURS_API}/derogations/{asked}"

    def answer(status: Json, method: str = "PATCH") -> int:
        metadata = {"metadata": {"name": asked}} if method == "APPLY" else {}
        header = {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "Derogation"}
        return ask(Request(method, f"{path}/status", header | metadata | {"status": status}))

    read = admin.get("derogation", asked)
    for by in (f"system:serviceaccount:{NAMESPACE}:sovereign-controller", BOB):
        for method in ("PATCH", "APPLY"):
            assert answer(approval(read, by), method) == HTTPStatus.FORBIDDEN
    approve(people[BOB], asked, BOB)
    for status in ({"approvedBy": None}, NOBODY, {"approvedBy": "sovereign"}, {"approvedGeneration": 2}):
        assert answer(status) == HTTPStatus.FORBIDDEN
    assert ask(Request("PATCH", path, {"spec": {"reason": "x"}})) == HTTPStatus.FORBIDDEN
    # Its own work.
    assert answer({"datacentres": 3}) == HTTPStatus.OK


def test_the_operator_judges_what_was_written_without_the_guard(
    admin: Kubectl, people: dict[str, Kubectl], asked: str
) -> None:
    ann = people[ANN]
    with without_bindings(admin, GUARD):
        own = patching(asked, approval(admin.get("derogation", asked), ANN))
        eventually(lambda: ann.run(*own), seconds=20, what="success without the guard")
        eventually(lambda: standing(admin, asked) == ("False", "SelfApproved"), what="word of it")
        assert NODE not in host_names(admin, POLICY)
    # Others are not kept from what is in order: the guard looks at what changes.
    eventually(lambda: "not an approver" in ann.refusal(*patching(asked, {"approvedBy": BOB}), "--dry-run=server"))
    people[BOB].run(*patching(asked, approval(admin.get("derogation", asked), BOB)), "--dry-run=server")
