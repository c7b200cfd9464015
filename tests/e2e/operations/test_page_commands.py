"""The commands of README, reference and runbook do what these pages say, and print what they show."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.documents import README, REFERENCE, RUNBOOK, command_blocks, inline_commands
from tests.e2e.support.estate import set_status
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import condition, nodes_of
from tests.e2e.support.pages import commands, filled, runbook, shell, words_like
from tests.e2e.support.spaces import Space

POLICY = "secnumcloud"
ON_LYON = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "preference": {
                    "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["lyon-1"]}]
                },
            }
        ]
    }
}


class Page:
    """Runs commands as the cluster admin."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._kubeconfig, self._folder = kubeconfig, folder

    def run(self, script: str, *, fails: bool = False) -> str:
        """Run commands, and return what they print."""
        return shell(script, self._kubeconfig, self._folder, fails=fails)


@pytest.fixture
def page(cluster: Cluster, tmp_path: Path) -> Page:
    return Page(cluster.kubeconfig, tmp_path)


def run_records(admin: Kubectl, namespace: str, **spec: object) -> None:
    """Run the workload of the pages' examples, and wait until it is ready."""
    admin.apply(
        workload("Deployment", "records", 2, **spec),
        sovereign("records", workloadRef={"kind": "Deployment", "name": "records"}),
        namespace=namespace,
    )
    eventually(lambda: condition(admin, "swl", "records", "Ready", namespace)["status"] == "True", what="ready")


def test_readme_shows_what_commands_print(admin: Kubectl, page: Page, space: Space, tmp_path: Path) -> None:
    namespace = space()
    run_records(admin, namespace)
    (block,) = (found for found in command_blocks(README) if "$ kubectl get sovereignworkloads -A" in found)
    steps = [step.partition("\n") for step in re.split(r"^\$ ", block, flags=re.MULTILINE) if step]
    (listing, _, listed), (creation, _, refused) = steps
    header, row = (line.split() for line in listed.strip().splitlines())
    lines = [line.split() for line in page.run(listing).splitlines()]
    assert lines[0] == header
    (own,) = (line for line in lines if line[0] == namespace)
    shown, found = dict(zip(header, row, strict=True)), dict(zip(header, own, strict=True))
    for column in ("NAME", "WORKLOAD", "POLICY", "OUTSIDE", "PENDING", "ENFORCED", "IDENTITY", "READY", "REASON"):
        assert found[column] == shown[column], column

    (tmp_path / "pod-with-nodename.yaml").write_text(json.dumps(pod("x", nodeName="paris-1")), encoding="utf-8")
    said = page.run(creation.replace("hospital", namespace), fails=True)
    assert words_like(refused.replace("hospital", namespace)).search(said), said


@pytest.mark.usefixtures("changed_estate")
def test_the_runbook_finds_and_moves_the_pods_that_a_suspension_leaves_outside(
    admin: Kubectl, page: Page, space: Space
) -> None:
    namespace = space()
    # An earlier test may have refused the node, and its taint would outweigh what the pods prefer.
    eventually(lambda: "not-accepted" not in str(admin.get("node", "lyon-1")["spec"]), what="lyon-1 without a taint")
    run_records(admin, namespace, affinity=ON_LYON)
    names = [one["metadata"]["name"] for one in admin.list("pods", namespace)]
    assert nodes_of(admin.list("pods", namespace)) == {"lyon-1"}
    set_status(admin, "hexa-gouv", "Suspended")
    look = filled(commands(RUNBOOK, "VERDICT:"), NAMESPACE=namespace)

    def shown() -> str:
        text = page.run(look)
        for name in names:
            (line,) = (line for line in text.splitlines() if line.startswith(name))
            assert re.search(r"lyon-1 +refused: .*is suspended", line), line
        assert re.search(rf"Deployment/records +{POLICY} +2 +0 +2 ", text), text
        return text

    eventually(shown, what="the pods that are outside, with reasons")
    (move,) = (one for one in inline_commands(runbook("SovereignPodsOutside", "Do")) if "rollout restart" in one)
    page.run(filled(move, NAMESPACE=namespace, NAME="records"))
    eventually(lambda: condition(admin, "swl", "records", "Ready", namespace)["status"] == "True", what="ready")
    eventually(lambda: nodes_of(admin.list("pods", namespace)) == {"brest-1"}, what="pods on accepted nodes alone")


ALERTS = re.findall(r"^## (Sovereign\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def encrypted(admin: Kubectl, transit: str) -> Iterator[str]:
    """Return a namespace with the pod ``one``, which has a sidecar."""
    name = "page-commands"
    labels = {"sovereignty.dev/enforce": transit}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    eventually(lambda: admin.get("serviceaccount", "default", name), what="a service account")
    admin.apply(pod("one"), namespace=name)
    admin.run("-n", name, "wait", "pod/one", "--for=condition=Ready", "--timeout=90s")
    yield name
    # A pod that stays would keep a suspended node's label and taint, which other tests see end.
    admin.run("delete", "namespace", name)


@pytest.mark.parametrize("alert", ALERTS)
def test_what_the_runbook_says_to_look_at_can_be_looked_at(
    admin: Kubectl, page: Page, encrypted: str, alert: str
) -> None:
    (agent, *_) = (
        one["metadata"]["name"] for one in admin.list("pods", NAMESPACE, "app.kubernetes.io/component=agent")
    )
    known = {"POLICY": POLICY, "DATACENTRE": "brest", "NODE": "brest-1", "SERVICE": "armor-snc", "RESOURCE": "node"}
    for command in inline_commands(runbook(alert, "Look")):
        within = f"-n {NAMESPACE}" in command
        values = known | {"NAMESPACE": encrypted, "POD": agent if within else "one"}
        values["NAME"] = "sovereignty-guard-bindings" if "policy NAME" in command else "brest-1"
        if "pod NAME" in command:
            values["NAME"] = "one"
        page.run(filled(command, **{name: value for name, value in values.items() if name in command}))


def test_blocks_of_the_runbook_about_guards_run(page: Page) -> None:
    page.run(commands(RUNBOOK, '"mend"').replace("\n", "; "))


def test_labels_of_namespaces_and_the_pods_in_scope(admin: Kubectl, page: Page, space: Space) -> None:
    namespace, where = space(None), REFERENCE / "sovereignworkload.md"
    page.run(commands(where, "sovereignty.dev/warn=").replace("hospital", namespace))
    page.run(commands(where, "label namespace hospital sovereignty.dev/enforce=").replace("hospital", namespace))
    labels = admin.get("namespace", namespace)["metadata"]["labels"]
    assert {key: value for key, value in labels.items() if key.startswith("sovereignty.dev/")} == dict.fromkeys(
        (f"sovereignty.dev/{mode}" for mode in ("enforce", "warn", "audit")), POLICY
    )
    admin.apply(pod("one"), namespace=namespace)

    def listed() -> bool:
        shown = page.run(commands(where, "VERDICT:").replace("hospital", namespace))
        header, *lines = [line.split(maxsplit=2) for line in shown.splitlines()]
        assert header == ["POD", "NODE", "VERDICT"]
        return ["one", "accepted:"] in [[line[0], line[2].split()[0]] for line in lines]

    eventually(listed, what="the pod with its verdict")


def test_who_may_use_a_policy_and_who_has_certificates_by_a_label_alone(
    admin: Kubectl, page: Page, anywhere: str
) -> None:
    where = REFERENCE / "sovereigntypolicy.md"
    page.run(commands(where, "use-hospital"))
    try:
        (rule,) = admin.get("clusterrole", "use-hospital")["rules"]
        assert (rule["verbs"], rule["resourceNames"]) == (["use"], ["hospital"])
    finally:
        admin.delete("clusterrole", "use-hospital")
    admin.apply(pod("labelled", labels={"sovereignty.dev/policy": POLICY}), namespace=anywhere)
    try:
        assert re.search(rf"^{anywhere} +labelled +{POLICY} ", page.run(commands(where, "CERTIFICATE:")), re.MULTILINE)
    finally:
        admin.delete("pod", "labelled", namespace=anywhere)


def test_the_roles_of_derogations_can_be_bound(admin: Kubectl, page: Page) -> None:
    page.run(commands(REFERENCE / "derogation.md", "clusterrolebinding derogation-requesters").replace("\n", " && "))
    bound = [f"derogation-{role}" for role in ("requesters", "approvers")]
    subjects = [admin.get("clusterrolebinding", name)["subjects"][0]["name"] for name in bound]
    admin.delete("clusterrolebinding", *bound)
    assert subjects == ["platform", "security"]


def test_an_auditor_may_view_what_runs(admin: Kubectl, page: Page) -> None:
    page.run(commands(REFERENCE / "operations.md", "auditors-view"))
    try:
        bound = admin.get("clusterrolebinding", "auditors-view")
        assert (bound["roleRef"]["name"], bound["subjects"][0]["name"]) == ("view", "auditors")
    finally:
        admin.delete("clusterrolebinding", "auditors-view")


def test_a_policy_accepts_pools_and_a_nodes_labels_tell_who_wrote_them(admin: Kubectl, page: Page) -> None:
    where = REFERENCE / "node-pools.md"
    admin.apply(estate.policy(admin, "of-pools"))
    try:
        page.run(commands(where, "nodeEvidence").replace("hospital", "of-pools"))
        assert admin.get("sovereigntypolicy", "of-pools")["spec"]["nodeEvidence"] == "PoolDeclared"
    finally:
        admin.delete("sovereigntypolicy", "of-pools")
    shown = page.run(filled(commands(where, "managed-fields"), NODE="brest-1"))
    assert re.search(r"f:kubernetes.io/hostname.*manager: kubelet", shown, re.DOTALL)


def test_where_agents_run(admin: Kubectl, page: Page) -> None:
    shown = page.run(commands(REFERENCE / "encryption.md", "component=agent"))
    for node in admin.list("nodes"):
        assert node["metadata"]["name"] in shown


def test_a_preset_that_was_deleted_can_be_created_again(admin: Kubectl, page: Page) -> None:
    name = "sovereign-strict"
    admin.delete("sovereigntypolicy", name)
    # The others exist.
    said = page.run(commands(REFERENCE / "operations.md", "sovereign-seed -o"), fails=True)
    assert name not in said
    assert admin.get("sovereigntypolicy", name)["spec"]
