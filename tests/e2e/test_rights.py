"""What may be done through the operator, and with its token: no more than who asks may do, or than it needs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hack.cluster import Cluster, binaries
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.pki import bundle
from tests.e2e.conftest import Space
from tests.e2e.guards import without_bindings
from tests.e2e.manifests import KINDS, pod, sovereign, workload, workload_spec

INSIDE = "brest-1"
DAY = timedelta(days=1)


def role(name: str) -> Json:
    """Return a ClusterRole that grants nothing."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [],
    }


def part(kind: str, name: str, **fields: Any) -> Json:
    """Return a part of an object, to be applied."""
    labels = fields.pop("labels", {})
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}, **fields}


# The controller may patch and not get: only a server-side apply asks for no more.
APPLY = ("apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-")
TAINT = {"key": "example.org/x", "effect": "NoExecute"}

NOBODY = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0a1b2c3d-0000-4000-8000-000000000000"}
NOBODYS_NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": INSIDE, "ownerReferences": [NOBODY], "annotations": {"example.org/x": "y"}},
}

STOLEN: dict[str, tuple[tuple[str, ...], Json]] = {
    "write another role": (APPLY, role("evil")),
    "delete another role": (("delete", "-f", "-"), role("view")),
    "write a workload that runs the cluster": (("-n", "kube-system", *APPLY), workload("DaemonSet", "evil")),
    "change what a pod runs": (
        APPLY,
        part("Pod", "waiting", spec={"containers": [{"name": "idle", "image": "example.org/evil"}]}),
    ),
    "label a pod": (APPLY, part("Pod", "waiting", labels={"example.org/x": "y"})),
    "have a node collected": (APPLY, NOBODYS_NODE),
    "keep pods from a node": (APPLY, part("Node", INSIDE, spec={"unschedulable": True})),
    "taint a node": (APPLY, part("Node", INSIDE, spec={"taints": [TAINT]})),
    "label a node for others": (APPLY, part("Node", INSIDE, labels={"example.org/x": "y"})),
}


@pytest.mark.parametrize(("attempt", "body"), STOLEN.values(), ids=STOLEN.keys())
def test_who_has_the_controllers_token_can_do_no_more_than_it_does(
    admin: Kubectl, space: Space, attempt: tuple[str, ...], body: Json
) -> None:
    """RBAC allows all of these, as it cannot tell them from what the controller needs."""
    namespace = space()
    admin.create(pod("waiting", schedulerName="nobody"), namespace)
    where = () if "kube-system" in attempt else ("-n", namespace)
    bounded(admin, "controller", (*where, *attempt), body)


def bounded(admin: Kubectl, process: str, attempt: tuple[str, ...], body: Json) -> None:
    """See that a process's own guard, and nothing else, keeps its account from something."""
    guard = f"sovereignty-guard-{process}"
    account = f"system:serviceaccount:{NAMESPACE}:sovereign-{process}"
    words, stdin = (*attempt, "--dry-run=server", f"--as={account}"), json.dumps(body)
    # An earlier test may have taken the guard away, which comes back a moment after its binding.
    refused = eventually(lambda: admin.refusal(*words, stdin=stdin), seconds=20, what="the guard")
    assert f"ValidatingAdmissionPolicy '{guard}'" in refused
    with without_bindings(admin, guard):
        eventually(lambda: admin.run(*words, stdin=stdin), seconds=20, what="success without the guard")


BUNDLE = {
    "apiVersion": "certificates.k8s.io/v1",
    "kind": "ClusterTrustBundle",
    "metadata": {"name": "of-others"},
    "spec": {"trustBundle": bundle.write([bundle.nobody("example.org", datetime.now(UTC), datetime.now(UTC) + DAY)])},
}


@pytest.mark.parametrize("body", [part("Secret", "of-others", data={}), BUNDLE], ids=["Secret", "ClusterTrustBundle"])
def test_who_has_the_signers_token_writes_no_secret_and_no_bundle_of_others(admin: Kubectl, body: Json) -> None:
    bounded(admin, "signer", ("-n", NAMESPACE, *APPLY), body)


@pytest.fixture
def intern(admin: Kubectl, cluster: Cluster, space: Space) -> tuple[Kubectl, str]:
    """Somebody who may do nothing but write SovereignWorkloads, in one namespace."""
    namespace = space(None)
    rights = ("--verb=get,list,create,update,patch,delete", "--resource=sovereignworkloads.sovereignty.dev")
    admin.run("-n", namespace, "create", "role", "intern", *rights)
    admin.run("-n", namespace, "create", "rolebinding", "intern", "--role=intern", "--user=intern")
    return Kubectl(binaries.path("kubectl"), cluster.user_kubeconfig("intern")), namespace


DEPUTY: dict[str, dict[str, Any]] = {
    f"{word} a {kind}": {word: {"kind": kind, field: value}}
    for kind in KINDS
    for word, field, value in (("template", "spec", workload_spec(kind, "app")), ("workloadRef", "name", "app"))
}


@pytest.mark.parametrize("spec", DEPUTY.values(), ids=DEPUTY.keys())
def test_the_operator_does_nothing_for_people_that_they_may_not_do(
    admin: Kubectl, intern: tuple[Kubectl, str], spec: dict[str, Any]
) -> None:
    person, namespace = intern
    manifest = json.dumps(sovereign("app", policy="secnumcloud", **spec))
    attempt = ("-n", namespace, "create", "--dry-run=server", "-f", "-")
    refused = person.refusal(*attempt, stdin=manifest)
    assert "ValidatingAdmissionPolicy 'sovereignty-guard-workloads'" in refused
    assert "intern may not" in refused

    (chosen,) = spec.values()
    kind = chosen["kind"].lower() + "s"
    group = "batch" if "job" in kind else "apps"
    admin.run("-n", namespace, "create", "role", "more", "--verb=create,patch", f"--resource={kind}.{group}")
    admin.run("-n", namespace, "create", "rolebinding", "more", "--role=more", "--user=intern")
    eventually(lambda: person.run(*attempt, stdin=manifest), seconds=20, what="leave to do it")


def test_who_may_not_touch_a_workload_may_still_annotate_its_sovereign_workload(
    admin: Kubectl, intern: tuple[Kubectl, str]
) -> None:
    person, namespace = intern
    admin.apply(sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}), namespace=namespace)
    person.run("-n", namespace, "annotate", "swl", "app", "example.org/seen=yes")
    patch = json.dumps({"spec": {"policyRef": {"name": "hds"}}})
    refused = person.refusal("-n", namespace, "patch", "swl", "app", "--type=merge", "-p", patch)
    assert "sovereignty-guard-workloads" in refused

    with without_bindings(admin, "sovereignty-guard-workloads"):
        attempt = ("-n", namespace, "patch", "swl", "app", "--type=merge", "-p", patch)
        eventually(lambda: person.run(*attempt), seconds=20, what="success without the guard")


WAYS_TO_GIVE_BACK = {
    "delete it": ("delete", "swl", "app"),
    "have it collected": (
        *("patch", "swl", "app", "--type=merge", "-p"),
        json.dumps({"metadata": {"ownerReferences": [NOBODY]}}),
    ),
}


@pytest.mark.parametrize("way", WAYS_TO_GIVE_BACK.values(), ids=WAYS_TO_GIVE_BACK.keys())
@pytest.mark.parametrize("spec", [DEPUTY["template a Deployment"], DEPUTY["workloadRef a Deployment"]])
def test_who_may_not_touch_a_workload_may_not_have_it_given_back(
    admin: Kubectl, intern: tuple[Kubectl, str], spec: dict[str, Any], way: tuple[str, ...]
) -> None:
    person, namespace = intern
    admin.apply(sovereign("app", policy="secnumcloud", **spec), namespace=namespace)
    attempt = ("-n", namespace, *way, "--dry-run=server")
    # An earlier test may have taken the guard away, which comes back a moment after its binding.
    refused = eventually(lambda: person.refusal(*attempt), seconds=20, what="the guard")
    assert "ValidatingAdmissionPolicy 'sovereignty-guard-workloads'" in refused
    with without_bindings(admin, "sovereignty-guard-workloads"):
        eventually(lambda: person.run(*attempt), seconds=20, what="success without the guard")


def test_a_namespace_with_a_sovereign_workload_can_be_deleted(admin: Kubectl, space: Space) -> None:
    """The namespace controller may delete what is in a namespace, but not patch workloads."""
    namespace = space(None)
    admin.apply(
        workload("Deployment", "app"),
        sovereign("app", policy="secnumcloud", workloadRef={"kind": "Deployment", "name": "app"}),
        sovereign("owned", policy="secnumcloud", **DEPUTY["template a Deployment"]),
        namespace=namespace,
    )
    admin.run("delete", "namespace", namespace, "--timeout=90s")
