"""Each value that the API server stores in an object of ours is read or reported, and holds up nothing else."""

import json
from random import Random

import pytest

from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, KINDS, SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.kube.specs import see_spec
from sovereign_operator.kube.unreadable import Unreadable
from tests.e2e.conftest import Space, host_names
from tests.e2e.seen import endings, suspend
from tests.schema import schema_of
from tests.schema_values import some_value

INSIDE = "brest-1"
SOON = 15

NUMBERS = {CLOUD_SERVICE.name: 80, DATACENTRE.name: 80, SOVEREIGNTY_POLICY.name: 60, SOVEREIGN_WORKLOAD.name: 40}
LABEL = {"tests.sovereignty.dev/any": "value"}
SELECTOR = "tests.sovereignty.dev/any=value"


def candidate(kind: Kind, number: int) -> Json:
    """Return an object with some value. None of the policies accepts anything, which would cost authorities."""
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
        assert "0000-" in json.dumps(stored[SOVEREIGNTY_POLICY.name])
        suspend(admin, "armor-snc")
        eventually(lambda: INSIDE not in host_names(admin, "secnumcloud"), seconds=SOON, what="a suspension")
        eventually(lambda: untrusted(admin), seconds=SOON, what="trust that ends")
        assert endings(admin) == before
    finally:
        admin.run("-n", namespace, "delete", "sovereignworkloads", "--all", "--wait=false")
        for kind in (SOVEREIGNTY_POLICY, DATACENTRE, CLOUD_SERVICE):
            admin.run("delete", kind.plural, "-l", SELECTOR, "--ignore-not-found")


def untrusted(admin: Kubectl) -> bool:
    """Whether the policy's authority of the suspended datacentre is gone, key and all."""
    return not any(
        found["metadata"]["name"].startswith("authority.secnumcloud.brest.")
        for found in admin.list("secrets", NAMESPACE, selector="sovereignty.dev/authority=active")
    )
