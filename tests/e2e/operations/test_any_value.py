"""Each value that the API server stores in an object of the operator's kinds is read or reported, and blocks nothing
else.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.api.v1alpha1 import (
    CLOUD_SERVICE,
    DATACENTRE,
    DEROGATION,
    KINDS,
    SOVEREIGN_WORKLOAD,
    SOVEREIGNTY_POLICY,
)
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.unreadable import Unreadable
from tests.e2e.support.certificates import trusted
from tests.e2e.support.estate import host_names
from tests.e2e.support.manifests import sovereign
from tests.e2e.support.observed import condition, endings, suspend
from tests.e2e.support.spaces import Space
from tests.schema import schema_of
from tests.schema_values import some_value

INSIDE = "brest-1"
SOON = 15

NUMBERS = {
    CLOUD_SERVICE.name: 80,
    DATACENTRE.name: 80,
    SOVEREIGNTY_POLICY.name: 60,
    DEROGATION.name: 40,
    SOVEREIGN_WORKLOAD.name: 40,
}
LABEL = {"tests.sovereignty.dev/any": "value"}
SELECTOR = "tests.sovereignty.dev/any=value"


def candidate(kind: Kind, number: int) -> Json:
    """Return an object with random values. No policy accepts a node, to save the signer from making authorities."""
    spec = some_value(schema_of(kind, "spec"), Random(f"{kind.name}-{number}"))
    if kind is SOVEREIGNTY_POLICY:
        spec["countries"] = ["ZZ"]
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": kind.name,
        "metadata": {"name": f"any-{number}", "labels": LABEL},
        "spec": spec,
    }


@pytest.mark.usefixtures("changed_estate")
def test_whatever_is_stored_is_read_and_holds_up_nothing(admin: Kubectl, space: Space) -> None:
    before, namespace = endings(admin), space(None)
    try:
        for kind in KINDS:
            items = [candidate(kind, number) for number in range(NUMBERS[kind.name])]
            wanted = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
            admin.attempt("-n", namespace, "create", "--validate=false", "-f", "-", stdin=wanted)
        stored = {kind.name: admin.list(kind.plural, selector=SELECTOR) for kind in KINDS}
        for kind in KINDS:
            assert stored[kind.name], f"no {kind.name} was stored"
            for obj in stored[kind.name]:
                seen = see_spec(obj, kind.spec)
                assert not isinstance(seen, Unreadable), (obj["metadata"]["name"], seen)
        assert "0000-" in json.dumps(stored[CLOUD_SERVICE.name])
        assert "0000-" in json.dumps(stored[DEROGATION.name])
        suspend(admin, "armor-snc")
        eventually(lambda: INSIDE not in host_names(admin, "secnumcloud"), seconds=SOON, what="a suspension")
        eventually(lambda: "brest" not in trusted(admin), seconds=SOON, what="trust that ends")
        assert endings(admin) == before
    finally:
        admin.run("-n", namespace, "delete", "sovereignworkloads", "--all", "--wait=false")
        for kind in (DEROGATION, SOVEREIGNTY_POLICY, DATACENTRE, CLOUD_SERVICE):
            admin.run("delete", kind.plural, "-l", SELECTOR, "--ignore-not-found")


@contextmanager
def relaxed(admin: Kubectl, plural: str, path: str) -> Iterator[None]:
    """Remove a keyword from the schema for a while, as a later version of the kind may."""
    crd = f"{plural}.sovereignty.dev"
    path = f"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/{path}"
    found: Any = admin.get("crd", crd)
    for part in path.split("/")[1:]:
        found = found[int(part) if part.isdigit() else part]
    admin.run("patch", "crd", crd, "--type=json", "-p", json.dumps([{"op": "remove", "path": path}]))
    try:
        yield
    finally:
        put_back = [{"op": "add", "path": path, "value": found}]
        admin.run("patch", "crd", crd, "--type=json", "-p", json.dumps(put_back))


def unreadable(admin: Kubectl, kind: str, name: str, namespace: str = "") -> str:
    """Return the message of the condition Ready if it says that the object cannot be read."""
    found = condition(admin, kind, name, "Ready", namespace)
    assert (found["status"], found["reason"]) == ("False", "Unreadable")
    message: str = found["message"]
    return message


@pytest.mark.usefixtures("changed_estate")
def test_a_datacentre_that_cannot_be_read_says_so_and_frees_no_node(admin: Kubectl) -> None:
    """A node that two Datacentres claim gets no datacentre. A user who may edit one must not decide for the other."""
    rival = {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "Datacentre",
        "metadata": {"name": "rival"},
        "spec": admin.get("datacentre", "brest")["spec"],
    }
    try:
        admin.apply(rival)
        eventually(lambda: INSIDE not in host_names(admin, "secnumcloud"), seconds=SOON, what="a node claimed twice")
        with relaxed(admin, "datacentres", "country/pattern"):
            spoil = ("patch", "datacentre", "rival", "--type=merge", "-p", '{"spec":{"country":"France"}}')
            eventually(lambda: admin.attempt(*spoil).returncode == 0, what="a schema that takes it")
        message = eventually(lambda: unreadable(admin, "datacentre", "rival"), what="word of it")
        assert "spec.country" in message
        # The controller writes roles before any status.
        assert INSIDE not in host_names(admin, "secnumcloud")
    finally:
        admin.run("delete", "datacentre", "rival")
    eventually(lambda: INSIDE in host_names(admin, "secnumcloud"), seconds=SOON, what="the node back")


def test_a_sovereign_workload_that_cannot_be_read_says_so(admin: Kubectl, space: Space) -> None:
    namespace = space()
    spoilt = sovereign("spoilt", workloadRef={"kind": "Pod", "name": "x"})
    with relaxed(admin, "sovereignworkloads", "workloadRef/properties/kind/enum"):
        eventually(lambda: admin.create(spoilt, namespace), what="a schema that takes it")
    message = eventually(lambda: unreadable(admin, "sovereignworkload", "spoilt", namespace), what="word of it")
    assert "spec.workloadRef.kind" in message
