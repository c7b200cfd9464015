"""What the pages say about derogations: the commands, and where a derogation shows."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from hack import estate
from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from sovereign_operator.api.v1alpha1.derogation import DerogationSpec
from tests.documents import REFERENCE, examples
from tests.e2e.support.derogations import (
    NODE,
    SERVICE,
    SITE,
    approve,
    bind,
    derogation,
    standing,
    unbind,
    until_allowed,
)
from tests.e2e.support.estate import host_names, until_in_force
from tests.e2e.support.observed import events
from tests.e2e.support.pages import commands, shell

PAGE, OPERATIONS = REFERENCE / "derogation.md", REFERENCE / "operations.md"
ASKER, APPROVER = "asker@hospital.example", "approver@hospital.example"
REQUESTS, APPROVES = "sovereignty-derogation-requester", "sovereignty-derogation-approver"


@pytest.fixture
def hospital(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    """The policy of the pages' example, and whoever may ask and approve."""
    admin.apply(estate.policy(admin, "hospital"))
    until_in_force(admin, "hospital")
    bind(admin, ASKER, REQUESTS)
    bind(admin, APPROVER, APPROVES)
    until_allowed(Kubectl(cluster.user_kubeconfig(ASKER)), "create")
    until_allowed(Kubectl(cluster.user_kubeconfig(APPROVER)), "approve")
    yield "hospital"
    unbind(admin, ASKER, REQUESTS)
    unbind(admin, APPROVER, APPROVES)
    admin.run("delete", "derogations", "--all")
    admin.delete("sovereigntypolicy", "hospital")


def test_the_commands_of_the_page_approve_what_was_read(
    admin: Kubectl, cluster: Cluster, hospital: str, tmp_path: Path
) -> None:
    (example,) = examples(PAGE)
    example["spec"]["until"] = "2099-12-31"
    name = example["metadata"]["name"]
    asker, approver = cluster.user_kubeconfig(ASKER), cluster.user_kubeconfig(APPROVER)
    Kubectl(asker).create(example)
    shell(commands(PAGE, "auth whoami"), approver, tmp_path)
    eventually(lambda: standing(admin, name) == ("True", "Approved"), what="it in force")
    eventually(lambda: NODE in host_names(admin, hospital), what="a node that is accepted")

    def shown(kind: str, one: str) -> list[str]:
        return admin.run("get", kind, one, "--no-headers").split()

    columns = [hospital, SERVICE, "SecNumCloud", "2099-12-31", APPROVER, "1", "True", "Approved"]
    eventually(lambda: shown("derog", name)[1:9] == columns, what="its columns")
    assert ASKER in admin.run("get", "derog", name, "-o", "wide")
    eventually(lambda: admin.get("spol", hospital)["status"]["derogated"] == 1, what="the count")
    eventually(lambda: admin.get("dctr", SITE)["status"]["derogated"] == hospital, what="its name")
    assert "DEROGATED" in admin.run("get", "spol") + admin.run("get", "dctr")
    sentence = (
        f"derogation {name} from SecNumCloud, asked for by {ASKER}, approved by {APPROVER} until 2099-12-31: "
        f"{example['spec']['reason']}"
    )
    key = f"verdict.sovereignty.dev/{hospital}"
    eventually(lambda: sentence in admin.get("node", NODE)["metadata"]["annotations"][key], what="the verdict")
    eventually(lambda: "Approved" in events(admin, "default", name), what="an Event")

    shell(commands(PAGE, "approvedBy: null"), approver, tmp_path)
    eventually(lambda: standing(admin, name) == ("False", "AwaitingApproval"), what="it not in force")
    eventually(lambda: "AwaitingApproval" in events(admin, "default", name), what="an Event")


@pytest.mark.usefixtures("changed_estate")
def test_one_is_asked_for_and_approved_while_the_operator_pauses(
    admin: Kubectl, cluster: Cluster, hospital: str
) -> None:
    """As an upgrade from policies with derogations does it: nothing changes before the operator is back."""
    asker, approver = (Kubectl(cluster.user_kubeconfig(user)) for user in (ASKER, APPROVER))
    before = host_names(admin, hospital)
    processes = ("deployment/sovereign-controller", "deployment/sovereign-signer")
    admin.run("-n", NAMESPACE, "scale", *processes, "--replicas=0")
    for component in ("controller", "signer"):
        pods = f"app.kubernetes.io/component={component}"
        eventually(lambda pods=pods: not admin.list("pods", NAMESPACE, pods), what=f"no {component}")  # type: ignore[misc]
    asker.create(derogation("paused", hospital))
    approve(approver, "paused", APPROVER)
    assert APPROVER in admin.run("get", "derog", "paused")
    assert host_names(admin, hospital) == before
    admin.run("-n", NAMESPACE, "scale", *processes, "--replicas=2")
    eventually(lambda: standing(admin, "paused") == ("True", "Approved"), what="it in force")
    assert NODE in host_names(admin, hospital)


def test_the_command_of_the_upgrade_prints_what_former_policies_had(
    admin: Kubectl, cluster: Cluster, tmp_path: Path
) -> None:
    """The former kind stands under another name, as a real API server keeps it."""
    group = f"former-{uuid4().hex[:6]}.example.org"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    plural = "formerpolicies"
    admin.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "names": {"kind": "FormerPolicy", "plural": plural, "singular": "formerpolicy"},
                "scope": "Cluster",
                "versions": [
                    {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
                ],
            },
        }
    )
    entry = {
        "service": SERVICE,
        "scheme": "SecNumCloud",
        "reason": 'pilot: "before" qualification',
        "approver": "Jeanne Martin, CISO",
        "until": "2099-12-31",
    }
    try:
        for name, spec in (("none", {}), ("some", {"derogations": [entry, entry | {"scheme": "HDS"}]})):
            former = {"apiVersion": f"{group}/v1alpha1", "kind": "FormerPolicy", "metadata": {"name": name}}
            eventually(lambda obj=former | {"spec": spec}: admin.apply(obj), what="the former kind")  # type: ignore[misc]
        script = commands(OPERATIONS, "spec.derogations").replace("get sovereigntypolicies", f"get {plural}.{group}")
        shell(script, cluster.kubeconfig, tmp_path)
    finally:
        admin.delete("crd", f"{plural}.{group}")
    written = (tmp_path / "derogations.yaml").read_text(encoding="utf-8")
    made = [document for document in yaml.safe_load_all(written) if document]
    assert [one["metadata"]["name"] for one in made] == ["some-0", "some-1"]
    read = DerogationSpec.model_validate(made[0]["spec"])
    assert (read.policy_ref.name, read.service_ref.name, read.scheme) == ("some", SERVICE, "SecNumCloud")
    assert read.reason == 'pilot: "before" qualification (formerly approved by Jeanne Martin, CISO)'
    admin.run("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=written)
