"""What a thief can do with the signer's token, and with the controller's token against the signer."""

import json
from itertools import product
from typing import Any

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.install import KEYS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import NOBODY, pod
from tests.e2e.support.observed import events
from tests.e2e.support.peers import IMAGES, config, peer_pod
from tests.e2e.support.spaces import Space

SIGNER = f"system:serviceaccount:{NAMESPACE}:sovereign-signer"
CONTROLLER = f"system:serviceaccount:{NAMESPACE}:sovereign-controller"
GUARD = "sovereignty-guard-signer"
# The controller may patch but not get: only a server-side apply works without get.
APPLY = ("apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-")
REFUSED = "paris-1"


def secret(name: str = "authority.x.y.1", kind: str = "kubernetes.io/tls", **changes: Any) -> Json:
    """Return a Secret as the signer writes it, with changes."""
    metadata = {
        "name": name,
        "labels": {"sovereignty.dev/authority": "active"},
        "annotations": {"sovereignty.dev/policy": "x", "sovereignty.dev/datacentre": "y"},
    }
    metadata |= changes.pop("metadata", {})
    data = {"tls.crt": "", "tls.key": ""}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data} | changes


def of_account(account: str) -> Json:
    """Return annotations with which the API server would add an account's token that never expires to a Secret."""
    return {"annotations": {"kubernetes.io/service-account.name": account}}


TOKEN = "kubernetes.io/service-account-token"
CREATED: dict[str, Json] = {
    "a token of an account": secret("authority-x", TOKEN, metadata=of_account("default")),
    "a Secret of another type": secret(kind="Opaque"),
    "an account's name": secret(metadata=of_account("default")),
    "another name": secret("of-others"),
    "something besides a key": secret(data={"tls.crt": "", "tls.key": "", "token": ""}),
    "no label": secret(metadata={"labels": {}}),
    "an owner": secret(metadata={"ownerReferences": [NOBODY]}),
    "a finalizer": secret(metadata={"finalizers": ["example.org/stay"]}),
}


def bounded(admin: Kubectl, *words: str, stdin: str = "") -> None:
    """Check that the signer's guard, and nothing else, refuses a request."""
    words = (*words, "--dry-run=server", f"--as={SIGNER}")
    said = eventually(lambda: admin.refusal(*words, stdin=stdin or None), seconds=20, what="the guard")
    assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
    with without_bindings(admin, GUARD):
        eventually(lambda: admin.run(*words, stdin=stdin or None), seconds=20, what="success without the guard")


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("body", CREATED.values(), ids=CREATED.keys())
def test_the_signers_token_creates_nothing_but_authorities(admin: Kubectl, body: Json) -> None:
    bounded(admin, "-n", KEYS, "create", "--validate=false", "-f", "-", stdin=json.dumps(body))


CHANGED: dict[str, Json] = {
    "an account's name": {"metadata": of_account("default")},
    "an owner": {"metadata": {"ownerReferences": [NOBODY]}},
    "a label": {"metadata": {"labels": {"example.org/x": "y"}}},
    "the certificate": {"data": {"tls.crt": "eA=="}},
    "something besides a key": {"data": {"token": "eA=="}},
}


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_the_signers_token_changes_nothing_of_authorities_but_what_becomes_of_them(
    admin: Kubectl, change: Json
) -> None:
    words = ("-n", KEYS, "patch", "secret", "authority-nobody", "--type=merge", "-p", json.dumps(change))
    bounded(admin, *words)


def trust(**changes: Any) -> Json:
    """Return a trust ConfigMap as the signer writes it, with changes."""
    metadata = {"name": "sovereignty-trust.x", "labels": {"sovereignty.dev/trust-of": "x"}}
    metadata |= changes.pop("metadata", {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"trusted.pem": ""}} | changes


CONFIG_MAPS: dict[str, Json] = {
    "another name": trust(metadata={"name": "coredns"}),
    "another policy's label": trust(metadata={"labels": {"sovereignty.dev/trust-of": "y"}}),
    "no label": trust(metadata={"labels": {}}),
    "another label": trust(metadata={"labels": {"sovereignty.dev/trust-of": "x", "example.org/x": "y"}}),
    "an annotation": trust(metadata={"annotations": {"example.org/copy-from": "kube-system/x"}}),
    "an owner": trust(metadata={"ownerReferences": [NOBODY]}),
    "a finalizer": trust(metadata={"finalizers": ["example.org/stay"]}),
    "immutable": trust(immutable=True),
    "another key": trust(data={"trusted.pem": "", "listeners.json": "{}"}),
    "bytes": trust(binaryData={"trusted.der": "eA=="}),
}


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("body", CONFIG_MAPS.values(), ids=CONFIG_MAPS.keys())
def test_the_signers_token_creates_no_other_config_maps(admin: Kubectl, body: Json) -> None:
    bounded(admin, "-n", "default", "create", "--validate=false", "-f", "-", stdin=json.dumps(body))


@pytest.mark.usefixtures("cluster")
def test_the_signers_token_deletes_no_other_config_maps(admin: Kubectl) -> None:
    bounded(admin, "-n", "default", "delete", "configmap", "kube-root-ca.crt")


@pytest.mark.usefixtures("cluster")
def test_the_signer_may_write_its_own(admin: Kubectl) -> None:
    data = {"trusted.pem": "", "signer-ca.pem": "", "signer.json": "{}"}
    words = ("-n", "default", "create", "--dry-run=server", f"--as={SIGNER}", "-f", "-")
    admin.run(*words, stdin=json.dumps(trust(data=data)))


PODS: dict[str, Json] = {
    "a label": {"metadata": {"labels": {"example.org/x": "y"}}},
    "another annotation": {"metadata": {"annotations": {"example.org/x": "y"}}},
    "an owner": {"metadata": {"ownerReferences": [NOBODY]}},
    "a finalizer": {"metadata": {"finalizers": ["example.org/stay"]}},
    "its end": {"spec": {"activeDeadlineSeconds": 1}},
}


def test_the_signers_token_changes_one_annotation_of_pods_and_nothing_else(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.create(pod("victim", schedulerName="nobody"), namespace)
    patch = ("-n", namespace, "patch", "pod", "victim", "--type=merge", "-p")
    note = {"metadata": {"annotations": {"audit.sovereignty.dev/certificate": "x"}}}
    admin.run(*patch, json.dumps(note), f"--as={SIGNER}")
    for change in PODS.values():
        bounded(admin, *patch, json.dumps(change))


CERTIFICATES, OURS = "certificates.k8s.io", "sovereignty.dev"
EVERYWHERE: dict[tuple[str, str, str], set[str]] = {
    (OURS, "cloudservices", ""): {"list", "watch"},
    (OURS, "datacentres", ""): {"list", "watch"},
    (OURS, "derogations", ""): {"list", "watch"},
    (OURS, "sovereigntypolicies", ""): {"list", "watch"},
    ("apiextensions.k8s.io", "customresourcedefinitions", ""): {"get"},
    ("", "pods", ""): {"get", "patch"},
    ("", "configmaps", ""): {"get", "list", "watch", "create", "patch", "delete"},
    ("authentication.k8s.io", "tokenreviews", ""): {"create"},
    ("", "serviceaccounts", ""): {"get"},
    ("", "nodes", ""): {"get"},
    ("", "namespaces", ""): {"get", "list", "watch"},
    ("", "events", ""): {"get", "create", "patch"},
    ("authorization.k8s.io", "subjectaccessreviews", ""): {"create"},
    (CERTIFICATES, "podcertificaterequests", ""): {"list", "watch"},
    (CERTIFICATES, "podcertificaterequests/status", ""): {"patch"},
    (CERTIFICATES, "signers", "sovereignty.dev/workload-identity"): {"sign", "attest"},
    # Every account may read them.
    (CERTIFICATES, "clustertrustbundles", ""): {"get", "list", "watch", "create", "patch"},
    # Every account may ask about itself.
    ("authorization.k8s.io", "selfsubjectaccessreviews", ""): {"create"},
    ("authorization.k8s.io", "selfsubjectrulesreviews", ""): {"create"},
    ("authentication.k8s.io", "selfsubjectreviews", ""): {"create"},
}
ALLOWED: dict[str, dict[tuple[str, str, str], set[str]]] = {
    "kube-system": {},
    "default": {},
    KEYS: {("", "secrets", ""): {"get", "list", "watch", "create", "patch"}},
    NAMESPACE: {
        ("", "pods", ""): {"get", "list", "watch", "patch"},
        ("", "services", "sovereign-signer"): {"get"},
        ("coordination.k8s.io", "leases", ""): {"create"},
        ("coordination.k8s.io", "leases", "sovereign-signer"): {"get", "patch"},
    },
}


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("namespace", ALLOWED)
def test_the_signers_token_opens_no_other_way(admin: Kubectl, namespace: str) -> None:
    """RBAC grants the signer nothing else: no Secret elsewhere, token, role, webhook, pod, exec, impersonation or
    approval.
    """
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    said = json.loads(
        admin.run("create", "--validate=false", f"--as={SIGNER}", "-f", "-", "-o", "json", stdin=json.dumps(review))
    )["status"]
    found: dict[tuple[str, str, str], set[str]] = {}
    for rule in said["resourceRules"]:
        for group, resource in product(rule["apiGroups"], rule["resources"]):
            for name in rule.get("resourceNames") or [""]:
                found.setdefault((group, resource, name), set()).update(rule["verbs"])
    assert found == EVERYWHERE | ALLOWED[namespace]
    assert {verb for rule in said["nonResourceRules"] for verb in rule["verbs"]} <= {"get"}


def mark_as_accepted(admin: Kubectl, policy: str, node: str) -> None:
    """Mark a node as accepted, with the controller's token: write its labels and its entry in the host role."""
    found, role = admin.get("node", node), admin.get("clusterrole", f"sovereignty:host:{policy}")
    labels = {
        f"policy.sovereignty.node-restriction.kubernetes.io/{policy}": "accepted",
        "sovereignty.node-restriction.kubernetes.io/datacentre": "brest",
        "sovereignty.node-restriction.kubernetes.io/verified-uid": found["metadata"]["uid"],
    }
    for rule in role["rules"]:
        if rule["resources"] == ["nodes"]:
            rule["resourceNames"] = [*rule["resourceNames"], node]
    metadata = {"name": role["metadata"]["name"], "labels": role["metadata"]["labels"]}
    marked = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels}}
    listed = {key: role[key] for key in ("apiVersion", "kind", "rules")} | {"metadata": metadata}
    for body in (marked, listed):
        admin.run(*APPLY, f"--as={CONTROLLER}", stdin=json.dumps(body))


@pytest.mark.usefixtures("changed_estate")
def test_the_controllers_token_gets_no_certificate_for_a_node_that_no_datacentre_claims(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    """Placement and guards rely on labels and roles; the signer checks the datacentres itself."""
    cluster.load_image(public.archive_all(IMAGES))
    namespace = space()
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-controller", "--replicas=0")
    eventually(
        lambda: not admin.list("pods", NAMESPACE, "app.kubernetes.io/component=controller"), what="no controller"
    )
    mark_as_accepted(admin, "secnumcloud", REFUSED)
    thief = peer_pod("thief", REFUSED)
    eventually(lambda: admin.apply(config(), thief, namespace=namespace), seconds=20, what="a pod there")

    def told() -> str:
        assert not any(
            "certificateChain" in r.get("status", {}) for r in admin.list("podcertificaterequests", namespace)
        )
        return events(admin, namespace, "thief").get("NodeMarkedWrongly", "")

    said = eventually(told, what="an Event")
    assert f"node {REFUSED} is marked as accepted by policy secnumcloud" in said
    assert "an attacker may have its token" in said
