"""A user can do through the operator only what that user may do directly."""

import json
from typing import Any

import pytest

from hack.cluster import Cluster
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import KINDS, NOBODY, sovereign, workload, workload_spec
from tests.e2e.support.spaces import Space


@pytest.fixture
def intern(admin: Kubectl, cluster: Cluster, space: Space) -> tuple[Kubectl, str]:
    """A user who may only write SovereignWorkloads, in one namespace."""
    namespace = space()
    rights = ("--verb=get,list,create,update,patch,delete", "--resource=sovereignworkloads.sovereignty.dev")
    admin.run("-n", namespace, "create", "role", "intern", *rights)
    admin.run("-n", namespace, "create", "rolebinding", "intern", "--role=intern", "--user=intern")
    return Kubectl(cluster.user_kubeconfig("intern")), namespace


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
    # An earlier test may have removed the guard; it takes effect again a moment after its binding is restored.
    refused = eventually(lambda: person.refusal(*attempt), seconds=20, what="the guard")
    assert "ValidatingAdmissionPolicy 'sovereignty-guard-workloads'" in refused
    with without_bindings(admin, "sovereignty-guard-workloads"):
        eventually(lambda: person.run(*attempt), seconds=20, what="success without the guard")


def test_a_namespace_with_a_sovereign_workload_can_be_deleted(admin: Kubectl, space: Space) -> None:
    """The namespace controller may delete what is in a namespace, but may not patch workloads."""
    namespace = space()
    admin.apply(
        workload("Deployment", "app"),
        sovereign("app", policy="secnumcloud", workloadRef={"kind": "Deployment", "name": "app"}),
        sovereign("owned", policy="secnumcloud", **DEPUTY["template a Deployment"]),
        namespace=namespace,
    )
    admin.run("delete", "namespace", namespace, "--timeout=90s")
