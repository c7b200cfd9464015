"""What people hear before pods are refused: as warnings, and in the API server's audit log."""

import json

import pytest

from hack import audit_log
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.manifests import KINDS, pod, sovereign, workload, workload_spec
from tests.e2e.support.spaces import Space

ENCRYPTS = "transit"
"""The policy that is tried."""
NET_ADMIN = [{"name": "app", "image": "x", "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}]
FAULTS: dict[str, tuple[Json, str]] = {
    "refused node": ({"nodeName": "paris-1"}, "spec.nodeName names node paris-1, which it does not accept"),
    "host network": ({"hostNetwork": True}, "spec.hostNetwork is true"),
    "past the sidecar": ({"containers": NET_ADMIN}, "container app adds NET_ADMIN, with which it could"),
    "none": ({}, ""),
    "accepted node": ({"nodeName": "brest-1"}, ""),
}
"""Fields of a pod's spec, and what is said of them."""


def labelled(label: str, policy: str) -> dict[str, str]:
    """Return the label of a namespace; none for the way in which the template is labelled itself."""
    return {} if label == "policy" else {f"sovereignty.dev/{label}": policy}


def said(admin: Kubectl, namespace: str, obj: Json) -> str:
    """Return the warnings about an object that would be created. Fails if it is refused."""
    done = admin.attempt("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(obj))
    assert done.returncode == 0, done.stderr
    return done.stderr


def template_of(obj: Json) -> Json:
    """Return the pod template of a workload."""
    spec: Json = obj["spec"]["jobTemplate"]["spec"] if obj["kind"] == "CronJob" else obj["spec"]
    found: Json = spec["template"]
    return found


def written(admin: Kubectl, space: Space, label: str, policy: str) -> str:
    """Return a new namespace that is labelled in this way."""
    namespace = space(None)
    for key, value in labelled(label, policy).items():
        admin.run("label", "namespace", namespace, f"{key}={value}")
    return namespace


@pytest.mark.every_kubernetes(only=["Deployment-enforce", "Deployment-policy"])
@pytest.mark.parametrize("label", ["enforce", "warn", "policy"])
@pytest.mark.parametrize("kind", KINDS)
def test_who_writes_a_template_hears_which_pods_are_refused(
    admin: Kubectl, space: Space, transit: str, label: str, kind: str
) -> None:
    namespace, wrong = written(admin, space, label, transit), {}
    would = "would refuse" if label == "warn" else "refuses"
    for fault, (spec, words) in FAULTS.items():
        obj = workload(kind, "app", **spec)
        if label == "policy":
            template_of(obj)["metadata"]["labels"]["sovereignty.dev/policy"] = transit
        heard = said(admin, namespace, obj)
        expected = f"policy {transit} {would} the pods of {kind} {namespace}/app, as" if words else ""
        if words not in heard or expected not in heard or bool(words) != ("Warning: " in heard):
            wrong[fault] = heard
    assert not wrong


@pytest.mark.every_kubernetes
def test_who_writes_a_pod_hears_what_a_policy_would_refuse(admin: Kubectl, space: Space, transit: str) -> None:
    namespace = written(admin, space, "warn", transit)
    heard = {fault: said(admin, namespace, pod("app", **spec)) for fault, (spec, _) in FAULTS.items()}
    assert all(words in heard[fault] for fault, (_, words) in FAULTS.items()), heard
    assert {fault for fault in heard if "Warning: " in heard[fault]} == {
        fault for fault, (_, said) in FAULTS.items() if said
    }
    other = said(admin, namespace, pod("app", labels={"sovereignty.dev/policy": "secnumcloud"}))
    assert "which carries the label sovereignty.dev/policy=secnumcloud" in other


@pytest.mark.parametrize("label", ["warn", "policy"])
def test_an_unknown_policy_is_named(admin: Kubectl, space: Space, label: str) -> None:
    obj = workload("Deployment", "app")
    if label == "policy":
        template_of(obj)["metadata"]["labels"]["sovereignty.dev/policy"] = "secnumclud"
    assert "there is no SovereigntyPolicy of this name" in said(admin, written(admin, space, label, "secnumclud"), obj)


def test_a_label_that_means_nothing_is_named(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    obj = workload("Deployment", "app")
    template_of(obj)["metadata"]["labels"]["sovereignty.dev/polcy"] = "secnumcloud"
    assert "the label sovereignty.dev/polcy means nothing" in said(
        admin, written(admin, space, "warn", "secnumcloud"), obj
    )
    for words, label in {
        "means nothing": "sovereignty.dev/enforced=secnumcloud",
        'there is no SovereigntyPolicy "secnumclud" yet': "sovereignty.dev/audit=secnumclud",
        "": "sovereignty.dev/warn=secnumcloud",
    }.items():
        heard = admin.attempt("label", "namespace", namespace, label, "--dry-run=server")
        assert heard.returncode == 0
        assert words in heard.stderr
        assert bool(words) == ("Warning: " in heard.stderr)


def test_a_change_that_says_nothing_new_draws_no_warning(admin: Kubectl, space: Space, transit: str) -> None:
    namespace = written(admin, space, "warn", transit)
    admin.create(workload("Deployment", "app", replicas=0, hostNetwork=True), namespace)
    assert "Warning" not in admin.attempt("-n", namespace, "scale", "deployment/app", "--replicas=0").stderr
    patch = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 2}}}}
    again = admin.attempt("-n", namespace, "patch", "deployment", "app", "-p", json.dumps(patch), "--dry-run=server")
    assert "spec.hostNetwork is true" in again.stderr


def test_a_sovereign_workload_draws_a_warning_again_if_its_pod_template_changes(
    admin: Kubectl, space: Space, transit: str
) -> None:
    """The operator creates no workload in a namespace that only tries a policy, so nothing else is written."""
    namespace = written(admin, space, "warn", transit)
    spec = workload_spec("Deployment", "app", 1, hostNetwork=True)
    admin.create(sovereign("app", template={"kind": "Deployment", "spec": spec}), namespace)

    def heard(of_spec: Json) -> str:
        patch = json.dumps({"spec": {"template": {"spec": of_spec}}})
        command = ("patch", "sovereignworkload", "app", "--type=merge", "-p", patch, "--dry-run=server")
        done = admin.attempt("-n", namespace, *command)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "spec.hostNetwork is true" not in heard({"replicas": 2})
    assert "spec.hostNetwork is true" in heard({"template": {"spec": {"terminationGracePeriodSeconds": 2}}})


@pytest.mark.parametrize("label", ["enforce", "warn", "policy"])
@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_who_writes_a_sovereign_workload_hears_which_pods_of_its_template_are_refused(
    admin: Kubectl, space: Space, transit: str, label: str, kind: str
) -> None:
    """Nobody hears what the API server says of the workload that the operator creates from it."""
    namespace, wrong = written(admin, space, label, transit), {}
    named = transit if label == "policy" else None
    would = "would refuse" if label == "warn" else "refuses"
    about = f"policy {transit} {would} the pods of SovereignWorkload {namespace}/app, as"
    for fault, (spec, words) in FAULTS.items():
        template = {"kind": kind, "spec": workload_spec(kind, "app", **spec)}
        heard = said(admin, namespace, sovereign("app", policy=named, template=template))
        if words not in heard or bool(words) != (about in heard):
            wrong[fault] = heard
    assert not wrong


def test_who_writes_a_sovereign_workload_of_another_policy_hears_what_the_tried_one_would_refuse(
    admin: Kubectl, space: Space, transit: str
) -> None:
    template = {"kind": "Job", "spec": workload_spec("Job", "app")}
    heard = said(
        admin, written(admin, space, "warn", transit), sovereign("app", policy="secnumcloud", template=template)
    )
    assert "whose spec.policyRef names secnumcloud: leave it out or use another namespace" in heard


def test_the_audit_log_says_what_a_policy_would_refuse(
    admin: Kubectl, cluster: Cluster, space: Space, transit: str
) -> None:
    """The pods of a Deployment, too, of which nobody hears a warning; and nothing stops them."""
    namespace, begun = written(admin, space, "audit", transit), audit_log.position(cluster)
    done = admin.attempt(
        "-n", namespace, "create", "-f", "-", stdin=json.dumps(workload("Deployment", "app", 1, hostNetwork=True))
    )
    assert "Warning" not in done.stderr
    eventually(lambda: admin.list("pods", namespace), what="a pod")

    def recorded() -> set[str]:
        return {
            entry["objectRef"]["resource"]
            for entry in audit_log.entries(cluster, begun)
            if "spec.hostNetwork is true" in entry.get("annotations", {}).get(audit_log.VIOLATIONS, "")
            and entry["objectRef"].get("namespace") == namespace
        }

    eventually(lambda: recorded() == {"deployments", "replicasets", "pods"}, what="three entries in the audit log")
