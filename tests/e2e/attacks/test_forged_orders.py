"""Only the controller may write transit configs: nobody else may change one, or keep one from being updated."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hack.kubectl import Kubectl, eventually
from tests.e2e.support.guards import refused_change, without_bindings
from tests.e2e.support.manifests import pod

GUARD = "sovereignty-guard-transit"
NAMESPACE = "forged-orders"

CHANGES: dict[str, dict[str, Any]] = {
    "another mode": {"data": {"mode": "Off"}},
    "datagrams": {"data": {"datagrams": "0.0.0.0/0 1-65535"}},
    "no orders at all": {"data": None},
    "orders beside ours": {"binaryData": {"other.json": "e30="}},
    "immutable": {"immutable": True},
    "of another policy": {"metadata": {"labels": {"sovereignty.dev/transit-of": "secnumcloud"}}},
    "of nobody": {"metadata": {"ownerReferences": None}},
    "one that never goes": {"metadata": {"finalizers": ["example.org/never"]}},
    "what somebody else manages": {"metadata": {"managedFields": [{}]}},
    "a word of somebody": {"metadata": {"annotations": {"example.org/mine": "anything"}}},
}


@pytest.fixture(scope="module")
def told(admin: Kubectl, transit: str) -> Iterator[str]:
    """Return the name of the transit config in a namespace with a pod of the policy."""
    labels = {"sovereignty.dev/enforce": transit}
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    eventually(lambda: admin.get("serviceaccount", "default", NAMESPACE), what="a service account")
    admin.create(pod("waiting", schedulerName="nobody"), NAMESPACE)
    name = f"sovereignty-transit.{transit}"
    eventually(lambda: admin.get("configmap", name, NAMESPACE), what="orders")
    yield name
    admin.run("delete", "namespace", NAMESPACE, "--wait=false")


def attempt(person: Kubectl, name: str, change: dict[str, Any]) -> str:
    """Change the ConfigMap as a dry run, and return why that was refused; empty if it was not."""
    return refused_change(person, NAMESPACE, f"configmap/{name}", change)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_nobody_changes_what_sidecars_are_told(mallory: Kubectl, told: str, change: dict[str, Any]) -> None:
    said = attempt(mallory, told, change)
    assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
    assert f"not yours to write: ConfigMap {NAMESPACE}/{told}" in said
    assert "say in spec.encryptionInTransit of the SovereigntyPolicy what you want" in said


def test_nobody_tells_those_of_another_policy_anything(mallory: Kubectl, told: str) -> None:
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sovereignty-transit.hds"}}
    assert GUARD in mallory.attempt("-n", NAMESPACE, "create", "-f", "-", stdin=json.dumps(made)).stderr
    assert told in {found["metadata"]["name"] for found in mallory.list("configmaps", NAMESPACE)}


def test_nobody_has_the_operator_read_what_is_no_order(mallory: Kubectl, told: str) -> None:
    """The operator finds transit configs by their label; many large ConfigMaps with it would fill its memory."""
    labelled = {"labels": {"sovereignty.dev/transit-of": told.removeprefix("sovereignty-transit.")}}

    def made(**metadata: Any) -> str:
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    create = ("-n", NAMESPACE, "create", "--dry-run=server", "-f", "-")
    assert GUARD in mallory.refusal(*create, stdin=made(name="fat", **labelled))
    assert GUARD in mallory.refusal(*create, stdin=made(generateName="fat-", **labelled))
    mallory.run(*create, stdin=made(name="fat"))
    label = ("-n", NAMESPACE, "label", "configmap", "kube-root-ca.crt", "--dry-run=server")
    assert GUARD in mallory.refusal(*label, "sovereignty.dev/transit-of=hds")


def test_nothing_but_this_guard_stops_them(admin: Kubectl, mallory: Kubectl, told: str) -> None:
    some = CHANGES["another mode"]
    with without_bindings(admin, GUARD):
        eventually(lambda: not attempt(mallory, told, some), what="no guard")
        for change in CHANGES.values():
            assert not attempt(mallory, told, change)
    eventually(lambda: GUARD in attempt(mallory, told, some), what="the guard")


@pytest.mark.parametrize("how", ["background", "foreground", "orphan"])
def test_whoever_deletes_it_has_it_written_anew(admin: Kubectl, mallory: Kubectl, told: str, how: str) -> None:
    before = admin.get("configmap", told, NAMESPACE)
    mallory.run("-n", NAMESPACE, "delete", "configmap", told, f"--cascade={how}", "--wait=false")

    def anew() -> bool:
        found = admin.get("configmap", told, NAMESPACE)
        return bool(found["metadata"]["uid"] != before["metadata"]["uid"] and found["data"] == before["data"])

    eventually(anew, what="orders, written anew")
