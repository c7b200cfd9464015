"""Only the signer may say in a namespace whom its sidecars trust: nobody else writes or deletes a trust ConfigMap."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE as OPERATOR
from hack.kubectl import Kubectl, KubectlError, eventually
from sovereign_operator.core import names
from sovereign_operator.core.sidecar.contract import trust_config_map
from tests.e2e.support.guards import refused_change, without_bindings
from tests.e2e.support.manifests import NOBODY, pod
from tests.e2e.support.processes import without
from tests.e2e.support.sidecars import refusal
from tests.e2e.support.tokens import Request, asking

pytestmark = pytest.mark.every_kubernetes

GUARD = "sovereignty-guard-trust"
NAMESPACE = "trusting"
SIGNER = f"system:serviceaccount:{OPERATOR}:sovereign-signer"
CONTROLLER = f"system:serviceaccount:{OPERATOR}:sovereign-controller"

CHANGES: dict[str, dict[str, Any]] = {
    "other certificates": {"data": {"trusted.pem": "-----BEGIN CERTIFICATE-----"}},
    "another signer": {"data": {"signer.json": '{"host":"evil","addresses":["10.0.0.1:443"]}'}},
    "other authorities of the signer": {"data": {"signer-ca.pem": ""}},
    "nothing at all": {"data": None},
    "bytes beside it": {"binaryData": {"other.pem": "e30="}},
    "immutable": {"immutable": True},
    "of another policy": {"metadata": {"labels": {names.TRUST_BUNDLE_LABEL: "hds"}}},
    "of no policy": {"metadata": {"labels": {names.TRUST_BUNDLE_LABEL: None}}},
    "another label": {"metadata": {"labels": {"example.org/mine": "anything"}}},
    "an owner that is gone": {"metadata": {"ownerReferences": [NOBODY]}},
    "one that never goes": {"metadata": {"finalizers": ["example.org/never"]}},
    "what somebody else manages": {"metadata": {"managedFields": [{}]}},
    "a word of somebody": {"metadata": {"annotations": {"example.org/mine": "anything"}}},
}


def trusting(admin: Kubectl, namespace: str, policy: str) -> str:
    """Make a namespace with a pod of a policy, and return the name of its trust ConfigMap once it is there."""
    labels = {names.ENFORCE_LABEL: policy}
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    eventually(lambda: admin.get("serviceaccount", "default", namespace), what="a service account")
    admin.create(pod("waiting", schedulerName="nobody"), namespace)
    name = trust_config_map(policy)
    eventually(lambda: admin.get("configmap", name, namespace), what="a trust ConfigMap")
    return name


@pytest.fixture(scope="module")
def trusted(admin: Kubectl, transit: str) -> Iterator[str]:
    """Return the name of the trust ConfigMap in a namespace with a pod of the policy."""
    yield trusting(admin, NAMESPACE, transit)
    admin.run("delete", "namespace", NAMESPACE, "--wait=false")


def attempt(person: Kubectl, name: str, change: dict[str, Any], *way: str) -> str:
    """Change the ConfigMap as a dry run, and return why that was refused; empty if it was not."""
    return refused_change(person, NAMESPACE, f"configmap/{name}", change, *way)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_nobody_changes_whom_sidecars_trust(mallory: Kubectl, trusted: str, change: dict[str, Any]) -> None:
    said = attempt(mallory, trusted, change)
    assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
    assert (
        f"not yours to write: by its name or its label sovereignty.dev/trust-of, ConfigMap {NAMESPACE}/{trusted}"
        in said
    )
    assert "say in spec.trustedPolicies of the SovereigntyPolicy whom its pods trust" in said


def test_nor_does_the_controllers_token(cluster: Cluster, admin: Kubectl, trusted: str) -> None:
    """The controller may write ConfigMaps of other names everywhere."""
    token = admin.run("-n", OPERATOR, "create", "token", "sovereign-controller").strip()
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{trusted}"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"trusted.pem": "-----BEGIN CERTIFICATE-----"}}
    body["metadata"] = {"name": trusted, "namespace": NAMESPACE}
    assert asking(cluster, token)(Request("APPLY", path, body)) == 403
    assert asking(cluster, token)(
        Request("APPLY", path.replace(trusted, "mine"), body | {"metadata": {"name": "mine"}})
    )


def test_nobody_creates_one(mallory: Kubectl, trusted: str) -> None:
    """Neither where the signer has not written one yet, nor by a label, by which the signer finds its own."""
    labelled = {names.TRUST_BUNDLE_LABEL: trusted.removeprefix(trust_config_map(""))}
    create = ("-n", NAMESPACE, "create", "--dry-run=server", "-f", "-")

    def made(**metadata: Any) -> str:
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    assert GUARD in mallory.refusal(*create, stdin=made(name=trust_config_map("hds")))
    assert GUARD in mallory.refusal(*create, stdin=made(generateName=trust_config_map("hds-")))
    assert GUARD in mallory.refusal(*create, stdin=made(name="fat", labels=labelled))
    assert GUARD in mallory.refusal(*create, stdin=made(generateName="fat-", labels=labelled))
    mallory.run(*create, stdin=made(name="fat"))
    label = ("-n", NAMESPACE, "label", "configmap", "kube-root-ca.crt", "--dry-run=server")
    assert GUARD in mallory.refusal(*label, f"{names.TRUST_BUNDLE_LABEL}=hds")


@pytest.mark.parametrize("how", ["background", "foreground", "orphan"])
def test_nobody_deletes_it(admin: Kubectl, mallory: Kubectl, trusted: str, how: str) -> None:
    before = admin.get("configmap", trusted, NAMESPACE)
    delete = ("-n", NAMESPACE, "delete", "configmap", "--wait=false", f"--cascade={how}")
    for what in (trusted, "--all"):
        said = mallory.refusal(*delete, what)
        assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
        assert "not yours to delete: " in said
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps?labelSelector={names.TRUST_BUNDLE_LABEL}"
    assert GUARD in mallory.refusal("delete", "--raw", path)
    found = admin.get("configmap", trusted, NAMESPACE)
    assert found["metadata"]["uid"] == before["metadata"]["uid"]
    assert "deletionTimestamp" not in found["metadata"]


def test_the_signer_may_delete_it(admin: Kubectl, trusted: str) -> None:
    """It replaces one that it cannot update."""
    admin.run("-n", NAMESPACE, "delete", "configmap", trusted, "--dry-run=server", f"--as={SIGNER}")


def test_nothing_but_this_guard_stops_them(admin: Kubectl, mallory: Kubectl, trusted: str) -> None:
    some = CHANGES["other certificates"]
    with without_bindings(admin, GUARD):
        eventually(lambda: not attempt(mallory, trusted, some), what="no guard")
        for name, change in CHANGES.items():
            assert not attempt(mallory, trusted, change), name
        mallory.run("-n", NAMESPACE, "delete", "configmap", trusted, "--dry-run=server")
    eventually(lambda: GUARD in attempt(mallory, trusted, some), what="the guard")


def test_what_somebody_wrote_before_there_was_a_guard_is_replaced(
    admin: Kubectl, mallory: Kubectl, trusted: str
) -> None:
    data = admin.get("configmap", trusted, NAMESPACE)["data"]
    spoil = ("-n", NAMESPACE, "patch", "configmap", trusted, "--type=merge", "-p")
    forged = json.dumps({"data": {"trusted.pem": "", "signer.json": "{}"}, "immutable": True})
    with without_bindings(admin, GUARD):
        eventually(lambda: mallory.run(*spoil, forged), seconds=20, what="a change without the guard")

    def is_restored() -> bool:
        found = admin.get("configmap", trusted, NAMESPACE)
        return bool(found["data"] == data and not found.get("immutable"))

    eventually(is_restored, what="the signer's own ConfigMap again")


@pytest.mark.older_kubernetes
def test_no_pod_starts_beside_one_that_somebody_wrote_before_there_was_a_guard(
    admin: Kubectl, mallory: Kubectl, transit: str
) -> None:
    """Not even while no signer runs that would replace it."""
    namespace, name = f"trusting-{uuid4().hex[:6]}", trust_config_map(transit)
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    eventually(lambda: admin.get("serviceaccount", "default", namespace), what="a service account")
    forged = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "immutable": True}
    with without_bindings(admin, GUARD):
        forged["data"] = admin.get("configmap", name, OPERATOR)["data"] | {"signer-ca.pem": "forged"}
        eventually(lambda: mallory.create(forged, namespace), seconds=20, what="a forged one without the guard")
    with without(admin, "signer"):
        admin.run("label", "namespace", namespace, f"{names.ENFORCE_LABEL}={transit}")
        eventually(lambda: "not trusted" in refusal(admin, pod("app"), namespace), what="a refusal")
    eventually(lambda: not refusal(admin, pod("app"), namespace), what="a pod that is let in")
    found = admin.get("configmap", name, namespace)
    assert found["data"] == admin.get("configmap", name, OPERATOR)["data"]
    assert "immutable" not in found
    admin.run("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize("how", ["background", "foreground"])
def test_a_namespace_with_one_ends_as_ever(admin: Kubectl, transit: str, how: str) -> None:
    namespace = f"trusting-{uuid4().hex[:6]}"
    trusting(admin, namespace, transit)
    admin.run("delete", "namespace", namespace, "--wait=false", f"--cascade={how}")

    def is_gone() -> bool:
        try:
            admin.get("namespace", namespace)
        except KubectlError:
            return True
        return False

    eventually(is_gone, seconds=90, what="the end of the namespace")
