"""What the signer's token is worth, and what the controller's token is worth against the signer."""

import json
from typing import Any

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.install import KEYS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.conftest import Space
from tests.e2e.guards import without_bindings
from tests.e2e.peers import IMAGES, config, peer_pod
from tests.e2e.seen import events

SIGNER = f"system:serviceaccount:{NAMESPACE}:sovereign-signer"
CONTROLLER = f"system:serviceaccount:{NAMESPACE}:sovereign-controller"
GUARD = "sovereignty-guard-signer"
REFUSED = "paris-1"


def secret(name: str = "authority.x.y.1", kind: str = "kubernetes.io/tls", **changes: Any) -> Json:
    """Return a Secret as the signer writes them, but for what is changed."""
    metadata = {
        "name": name,
        "labels": {"sovereignty.dev/authority": "active"},
        "annotations": {"sovereignty.dev/policy": "x", "sovereignty.dev/datacentre": "y"},
    }
    metadata |= changes.pop("metadata", {})
    data = {"tls.crt": "", "tls.key": ""}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data} | changes


def of_account(account: str) -> Json:
    """Return annotations that have the API server put a token of an account into a Secret, which never ends."""
    return {"annotations": {"kubernetes.io/service-account.name": account}}


TOKEN = "kubernetes.io/service-account-token"
NOBODY = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0a1b2c3d-0000-4000-8000-000000000000"}
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
    """See that the signer's guard, and nothing else, keeps it from something."""
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


ELSEWHERE = ("kube-system", NAMESPACE, "default")
WAYS_UP: tuple[tuple[str, str, str, str], ...] = (
    *((verb, "", "secrets", where) for where in ELSEWHERE for verb in ("get", "list", "create", "patch", "delete")),
    *((verb, "", "secrets", KEYS) for verb in ("update", "delete")),
    *(
        (verb, group, resource, where)
        for where in (*ELSEWHERE, KEYS)
        for group, resource in (
            ("", "pods"),
            ("", "serviceaccounts"),
            ("", "serviceaccounts/token"),
            ("", "pods/exec"),
            ("", "pods/attach"),
            ("", "pods/ephemeralcontainers"),
            ("", "pods/binding"),
            ("", "configmaps"),
            ("", "nodes"),
            ("", "nodes/status"),
            ("", "nodes/proxy"),
            ("", "namespaces"),
            ("apps", "deployments"),
            ("apps", "daemonsets"),
            ("batch", "jobs"),
            ("rbac.authorization.k8s.io", "roles"),
            ("rbac.authorization.k8s.io", "rolebindings"),
            ("rbac.authorization.k8s.io", "clusterroles"),
            ("rbac.authorization.k8s.io", "clusterrolebindings"),
            ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
            ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
            ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
            ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
            ("apiregistration.k8s.io", "apiservices"),
            ("apiextensions.k8s.io", "customresourcedefinitions"),
            ("certificates.k8s.io", "certificatesigningrequests"),
            ("certificates.k8s.io", "certificatesigningrequests/approval"),
            ("certificates.k8s.io", "certificatesigningrequests/status"),
            ("certificates.k8s.io", "podcertificaterequests"),
            ("sovereignty.dev", "cloudservices"),
            ("sovereignty.dev", "cloudservices/status"),
            ("sovereignty.dev", "datacentres"),
            ("sovereignty.dev", "datacentres/status"),
            ("sovereignty.dev", "sovereigntypolicies"),
            ("sovereignty.dev", "sovereigntypolicies/status"),
            ("sovereignty.dev", "sovereignworkloads"),
            ("sovereignty.dev", "sovereignworkloads/status"),
        )
        for verb in ("create", "update", "patch", "delete")
    ),
    *(("impersonate", "", who, "") for who in ("users", "groups", "serviceaccounts")),
    *((verb, "rbac.authorization.k8s.io", "clusterroles", "") for verb in ("escalate", "bind")),
    *((verb, "certificates.k8s.io", "signers", "") for verb in ("approve", "sign", "attest")),
    ("get", "", "nodes/proxy", ""),
    ("get", "", "pods/exec", KEYS),
    ("delete", "certificates.k8s.io", "clustertrustbundles", ""),
)


@pytest.mark.usefixtures("cluster")
def test_the_signers_token_opens_no_other_way(admin: Kubectl) -> None:
    """Each question is asked of RBAC as a request would be, all in one go."""
    reviews = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {
                    "verb": verb,
                    "group": group,
                    "resource": resource.partition("/")[0],
                    "subresource": resource.partition("/")[2],
                    "namespace": where,
                }
            },
        }
        for verb, group, resource, where in WAYS_UP
    ]
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    answers = json.loads(admin.run("create", f"--as={SIGNER}", "-f", "-", "-o", "json", stdin=body))["items"]
    allowed = {way for way, answer in zip(WAYS_UP, answers, strict=True) if answer["status"]["allowed"]}
    assert not allowed


def mark_as_accepted(admin: Kubectl, policy: str, node: str) -> None:
    """Write of a node, with the controller's token, what it writes of those that a policy accepts."""
    found, role = admin.get("node", node), admin.get("clusterrole", f"sovereignty:host:{policy}")
    labels = {
        f"policy.sovereignty.node-restriction.kubernetes.io/{policy}": "accepted",
        "sovereignty.node-restriction.kubernetes.io/datacentre": "brest",
        "sovereignty.node-restriction.kubernetes.io/verified-uid": found["metadata"]["uid"],
    }
    for rule in role["rules"]:
        if rule["resources"] == ["nodes"]:
            rule["resourceNames"] = [*rule["resourceNames"], node]
    as_controller = ("--type=merge", f"--as={CONTROLLER}")
    admin.run("patch", "node", node, *as_controller, "-p", json.dumps({"metadata": {"labels": labels}}))
    name = role["metadata"]["name"]
    admin.run("patch", "clusterrole", name, *as_controller, "-p", json.dumps({"rules": role["rules"]}))


@pytest.mark.usefixtures("changed_estate")
def test_the_controllers_token_gets_no_certificate_for_a_node_that_no_datacentre_claims(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    """Placement and guards believe the marks, as they have nothing else; the signer does not."""
    cluster.load_image(public.archive_all(IMAGES))
    namespace = space()
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-controller", "--replicas=0")
    eventually(
        lambda: not admin.list("pods", NAMESPACE, "app.kubernetes.io/component=controller"), what="no controller"
    )
    mark_as_accepted(admin, "secnumcloud", REFUSED)
    pod = peer_pod("thief", REFUSED)
    eventually(lambda: admin.apply(config(), pod, namespace=namespace), seconds=20, what="a pod there")

    def told() -> str:
        assert not any(
            "certificateChain" in r.get("status", {}) for r in admin.list("podcertificaterequests", namespace)
        )
        return events(admin, namespace, "thief").get("NodeMarkedWrongly", "")

    said = eventually(told, what="an Event")
    assert f"node {REFUSED} is marked as accepted by policy secnumcloud" in said
    assert "somebody else may have its token" in said
