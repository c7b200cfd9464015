"""The commands within numbered steps, and those of the chart's notes, run on each Kubernetes and do what they say."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.cluster import Cluster
from hack.cluster.spec import NEWEST_KUBERNETES
from hack.install import NAMESPACE, RELEASE, helm
from hack.kubectl import Kubectl, eventually
from sovereign_operator.core import names
from tests.documents import PROGRAMS, REFERENCE, inline_commands, step_commands, steps
from tests.e2e.support.guards import MUTATING, VALIDATING, WEBHOOKS_KIND, injector_places, restored
from tests.e2e.support.manifests import pod, workload
from tests.e2e.support.pages import commands, filled, shell
from tests.e2e.support.sidecars import refusal
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.every_kubernetes

POLICY = "secnumcloud"
OPERATIONS = REFERENCE / "operations.md"
LABEL = "app.kubernetes.io/name=sovereign-operator"

Run = Callable[..., str]


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path) -> Run:
    """Return a function that runs a command of a page, as the cluster admin."""

    def run(command: str, *options: str) -> str:
        if command.startswith("helm "):
            return helm(cluster, *shlex.split(command)[1:], *options)
        return shell(" ".join([command, *options]), cluster.kubeconfig, tmp_path)

    return run


def is_served_here(step: str, admin: Kubectl, command: str, cluster: Cluster) -> bool:
    """Return whether a step is for clusters such as this one: it says so if it is not for all of them."""
    if "On Kubernetes 1.37" in step:
        return cluster.kubernetes == NEWEST_KUBERNETES
    if re.search(r"\b(?:cluster|it) has\b", step):
        kind = command.split()[2]
        return kind in admin.run("api-resources", "-o", "name").split()
    return True


def test_the_steps_that_remove_the_operator_run_everywhere_and_leave_no_object(
    admin: Kubectl, cluster: Cluster, space: Space, transit: str, run: Run
) -> None:
    """As dry runs: the operator is still needed."""
    namespace = space(transit)
    selector = ("configmaps", "", names.TRUST_BUNDLE_LABEL)
    eventually(
        lambda: namespace in {found["metadata"]["namespace"] for found in admin.list(*selector)},
        what="a trust ConfigMap in a namespace of users",
    )
    named: set[str] = set()
    for step in (text for heading, text in steps(OPERATIONS) if heading == "Remove the operator"):
        for command in inline_commands(step, PROGRAMS):
            if command.startswith("kubectl label"):
                run(command.replace("NAMESPACE", namespace))
            elif command.startswith("helm"):
                run(command, "--dry-run")
            elif is_served_here(step, admin, command, cluster):
                named.update(run(command, "--dry-run=client", "-o", "name").split())
    assert names.ENFORCE_LABEL not in admin.get("namespace", namespace)["metadata"]["labels"]
    trusts = {f"configmap/{found['metadata']['name']}" for found in admin.list(*selector)}
    assert trusts <= named
    assert {f"namespace/{NAMESPACE}", "namespace/sovereign-keys"} <= named
    roles = {f"clusterrole.rbac.authorization.k8s.io/sovereignty:host:{policy}" for policy in (POLICY, transit)}
    assert roles <= named
    assert "customresourcedefinition.apiextensions.k8s.io/sovereigntypolicies.sovereignty.dev" in named
    if cluster.kubernetes == NEWEST_KUBERNETES:
        bundles = {found["metadata"]["name"] for found in admin.list("clustertrustbundles", "", selector[2])}
        assert {f"clustertrustbundle.certificates.k8s.io/{name}" for name in bundles} <= named
        assert bundles


def test_the_injectors_authority_can_be_deleted_and_injectors_restarted(admin: Kubectl, run: Run) -> None:
    delete, restart = (one for one in step_commands(OPERATIONS) if "sovereign-injector" in one)
    run(delete, "--dry-run=server")
    run(restart)
    admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-injector", "--timeout=90s")


def notes(cluster: Cluster) -> list[str]:
    """Return the commands in the notes of the chart."""
    text = helm(cluster, "get", "notes", RELEASE, "--namespace", NAMESPACE)
    return [line.strip() for line in re.findall(r"^ +kubectl .*$", text, re.MULTILINE)]


def opening(admin: Kubectl, cluster: Cluster, where: str) -> list[str]:
    """Return the commands that open everything in an emergency."""
    if where == "notes":
        return [command for command in notes(cluster) if command.startswith("kubectl delete")]
    text = OPERATIONS.read_text(encoding="utf-8")
    (section,) = re.findall(r"^## In an emergency\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    policies, webhooks = (one for one in inline_commands(section) if one.startswith("kubectl delete"))
    return [commands(OPERATIONS, f"binding -l {LABEL}").strip(), webhooks if injector_places(admin) else policies]


@pytest.mark.parametrize("where", ["notes", "page"])
def test_in_an_emergency_everything_can_be_opened(
    admin: Kubectl, cluster: Cluster, space: Space, run: Run, where: str
) -> None:
    namespace, forbidden = space(POLICY), pod("elsewhere", nodeName="paris-1")
    eventually(lambda: "not accepted" in refusal(admin, forbidden, namespace), what="a guard that refuses")
    kinds = [f"{VALIDATING}binding", WEBHOOKS_KIND if injector_places(admin) else f"{MUTATING}binding"]
    with restored(admin, *((kind, LABEL) for kind in kinds)):
        for command in opening(admin, cluster, where):
            run(command)
        assert not [found for kind in kinds for found in admin.list(kind, "", LABEL)]
        # A deleted binding stays in effect for some moments.
        eventually(lambda: not refusal(admin, forbidden, namespace), what="a pod that nothing refuses")
    eventually(lambda: "not accepted" in refusal(admin, forbidden, namespace), what="the guards again")


def test_the_notes_of_the_chart_can_be_followed(admin: Kubectl, cluster: Cluster, space: Space, run: Run) -> None:
    namespace = space(None)
    admin.apply(workload("DaemonSet", "all"), namespace=namespace)
    followed = [command for command in notes(cluster) if not command.startswith("kubectl delete")]
    assert len(followed) > 4
    for command in followed:
        run(filled(command.replace("NAMESPACE", namespace).replace("POLICY", POLICY), NAME="all", NODE="lyon-1"))
    assert admin.get("namespace", namespace)["metadata"]["labels"][names.ENFORCE_LABEL] == POLICY
