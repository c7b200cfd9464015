"""With the settings of the page, tools show no difference, remove nothing, and no two writers undo each other."""

import json
from collections import Counter
from typing import Any

import pytest

from hack import audit_log
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.manifests import pod, sovereign
from tests.e2e.support.observed import living_pods, placed_for
from tests.e2e.support.spaces import Space
from tests.e2e.support.tools import KINDS, ArgoCD, Flux, Terraform, Tool, check_all, managed_by

POLICY = "secnumcloud"


def rolled_out(admin: Kubectl, namespace: str) -> None:
    """Wait until the applications are rolled out."""
    for name, kind in KINDS.items():
        admin.run("-n", namespace, "rollout", "status", f"{kind.lower()}/{name}", "--timeout=120s")


def adopt(admin: Kubectl, namespace: str) -> None:
    """Take the applications into scope, and wait until they are rolled out."""
    made = (sovereign(name, policy=POLICY, workloadRef={"kind": kind, "name": name}) for name, kind in KINDS.items())
    admin.apply(*made, namespace=namespace)
    admin.run("-n", namespace, "wait", "swl", "--all", "--for=condition=Ready", "--timeout=120s")
    rolled_out(admin, namespace)


def live(admin: Kubectl, namespace: str) -> dict[str, Json]:
    """Return the workloads by name."""
    return {name: admin.get(kind.lower(), name, namespace) for name, kind in KINDS.items()}


def state(admin: Kubectl, namespace: str) -> Any:
    """Return everything that a second apply must leave unchanged."""
    workloads = {
        name: (found["metadata"]["generation"], found["metadata"].get("labels"), found["spec"])
        for name, found in live(admin, namespace).items()
    }
    return workloads, {found["metadata"]["uid"] for found in living_pods(admin, namespace)}


def labels_of(found: Json) -> tuple[str | None, str | None]:
    """Return the policy that a workload names, and the one that its pod template does."""
    template = found["spec"]["template"]["metadata"]["labels"]
    return found["metadata"]["labels"].get(names.POLICY_LABEL), template.get(names.POLICY_LABEL)


def writes(cluster: Cluster, namespace: str, since: int) -> Counter[str]:
    """Return how often the operator wrote each workload of a namespace."""
    found = audit_log.writes_in(audit_log.requests_of(cluster, "sovereign-controller", since))
    return Counter(
        entry["objectRef"]["name"]
        for entry in found
        if entry.get("objectRef", {}).get("namespace") == namespace
        and audit_log.target(entry) in {"deployments", "daemonsets"}
        and "dryRun=" not in entry["requestURI"]
    )


def check_no_fight(admin: Kubectl, cluster: Cluster, namespace: str, tool: Tool) -> None:
    """Have a tool apply before and after its workloads come into scope."""
    tool.apply(namespace, "one")
    rolled_out(admin, namespace)
    since = audit_log.position(cluster)
    adopt(admin, namespace)
    before = state(admin, namespace)
    for _ in range(2):
        assert not tool.differences(namespace, "one")
        tool.apply(namespace, "one")
        assert state(admin, namespace) == before
    tool.apply(namespace, "two")
    rolled_out(admin, namespace)
    assert not tool.differences(namespace, "two")
    for found in live(admin, namespace).values():
        assert labels_of(found) == (POLICY, POLICY)
    for found in eventually(
        lambda: len(pods := living_pods(admin, namespace)) == len(KINDS) and pods, what="the new pods alone"
    ):
        assert placed_for(found) == {POLICY}
    assert writes(cluster, namespace, since) == Counter(KINDS.keys())


def test_tools_show_no_difference_and_undo_nothing(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    tools: dict[str, Tool] = {
        "Argo CD": ArgoCD(admin),
        "Argo CD, server-side": ArgoCD(admin, "--server-side", "--force-conflicts"),
        "Terraform": Terraform(admin, settings=True),
    }
    check_all(tools, lambda namespace, tool: check_no_fight(admin, cluster, namespace, tool), lambda: space(None))


def test_terraform_without_its_settings_rolls_out_twice_at_each_apply(admin: Kubectl, space: Space) -> None:
    namespace, tool = space(None), Terraform(admin, settings=False)
    tool.apply(namespace, "one")
    rolled_out(admin, namespace)
    adopt(admin, namespace)
    before = live(admin, namespace)["app"]["metadata"]["generation"]
    shown = tool.differences(namespace, "one")
    assert "/metadata/labels/sovereignty.dev~1policy" in shown
    tool.apply(namespace, "one")
    after = eventually(
        lambda: labels_of(found := live(admin, namespace)["app"]) == (POLICY, POLICY) and found, what="the label again"
    )
    assert after["metadata"]["generation"] == before + 2

    # Where the namespace enforces the policy from the start, there is nothing to show but the DaemonSet.
    enforcing = space(POLICY)
    tool.apply(enforcing, "one")
    rolled_out(admin, enforcing)
    adopt(admin, enforcing)
    shown = tool.differences(enforcing, "one")
    assert names.PLACED_LABEL.replace("/", "~1") in shown
    assert len(shown.splitlines()) == 1
    assert not Terraform(admin, settings=True).differences(enforcing, "one")


def test_a_merge_without_the_api_server_would_take_a_selector_away(admin: Kubectl, space: Space) -> None:
    """Argo CD merges by itself with ServerSideApply=true alone: it owns the whole map, in which there is more."""
    namespace, tool = space(POLICY), ArgoCD(admin, "--server-side")
    tool.apply(namespace, "one")
    owned = managed_by(admin, "argocd-controller", "daemonset", "agent", namespace)
    assert owned["f:spec"]["f:template"]["f:spec"]["f:nodeSelector"] == {}
    selector = live(admin, namespace)["agent"]["spec"]["template"]["spec"]["nodeSelector"]
    assert names.node_policy_label(POLICY) in selector
    assert not tool.differences(namespace, "one")


def test_a_bare_pod_with_a_selector_is_applied_server_side_once(admin: Kubectl, space: Space) -> None:
    namespace = space(POLICY)
    for name, options in (("by-client", ()), ("by-server", ("--server-side",))):
        admin.apply(pod(name, nodeSelector={"kubernetes.io/os": "linux"}), namespace=namespace, options=options)
    admin.apply(pod("by-client", nodeSelector={"kubernetes.io/os": "linux"}), namespace=namespace)
    again = json.dumps(pod("by-server", nodeSelector={"kubernetes.io/os": "linux"}))
    done = admin.attempt("-n", namespace, "apply", "--server-side", "-f", "-", stdin=again)
    assert done.returncode
    assert "pod updates may not change fields" in done.stderr


@pytest.mark.field
def test_flux_shows_no_difference_and_does_not_fight(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    for namespace in (space(None), space(None)):
        check_no_fight(admin, cluster, namespace, Flux(cluster))
    enforcing, flux = space(POLICY), Flux(cluster)
    flux.apply(enforcing, "one")
    rolled_out(admin, enforcing)
    assert not flux.differences(enforcing, "one")


@pytest.mark.field
def test_flux_takes_a_label_off_a_namespace_unless_it_is_told_to_merge(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    name, flux = space(None), Flux(cluster)
    declared: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    merging = {"annotations": {"kustomize.toolkit.fluxcd.io/ssa": "Merge"}}

    def enforced() -> str | None:
        found: str | None = admin.get("namespace", name)["metadata"]["labels"].get(names.ENFORCE_LABEL)
        return found

    flux.reconcile(declared)
    admin.run("label", "namespace", name, f"{names.ENFORCE_LABEL}={POLICY}")
    flux.reconcile(declared)
    assert enforced() is None
    flux.reconcile(declared | {"metadata": declared["metadata"] | merging})
    admin.run("label", "namespace", name, f"{names.ENFORCE_LABEL}={POLICY}")
    flux.reconcile(declared | {"metadata": declared["metadata"] | merging})
    assert enforced() == POLICY
    labelled = {"labels": {names.ENFORCE_LABEL: POLICY}}
    flux.reconcile(declared | {"metadata": declared["metadata"] | labelled})
    assert enforced() == POLICY
