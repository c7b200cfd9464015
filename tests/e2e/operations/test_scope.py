"""A broken admission policy of the chart cannot reach beyond its scope, and system namespaces are never in scope."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.guards import MUTATING, VALIDATING, changed_policy, injector_places
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.every_kubernetes

SYSTEM = ("kube-system", "kube-public", "kube-node-lease", NAMESPACE)

DRY = ("create", "--dry-run=server", "-f", "-")

BREAKAGES: dict[str, Json] = {
    "an expression that fails": {
        "matchConditions": [{"name": "broken", "expression": "object.spec.no.such.field == 1"}]
    },
    "parameters of a kind that does not exist": {"paramKind": {"apiVersion": "example.org/v1", "kind": "Missing"}},
}

BROKEN_RULE: Json = {"validations": [{"expression": "object.spec.no.such.field == 1"}]}
SOME_ACCOUNTS = tuple(f"sovereignty-guard-{one}" for one in ("agent", "controller-", "own-pods", "seed", "signer"))
"""These guards restrict one account, or the kubelets, in system namespaces too, and fail closed; match conditions
exclude other accounts.
"""


def admission(admin: Kubectl) -> Iterator[tuple[str, str]]:
    """Yield kind and name of each admission policy of the chart."""
    for kind in (VALIDATING,) if injector_places(admin) else (VALIDATING, MUTATING):
        for policy in admin.list(kind):
            if policy["metadata"]["name"].startswith("sovereignty-"):
                yield kind, policy["metadata"]["name"]


def answer(admin: Kubectl, namespace: str, manifest: Json) -> str:
    """Return the API server's error for an object in a dry run; "" if the object is admitted."""
    return admin.attempt("-n", namespace, *DRY, stdin=json.dumps(manifest)).stderr.strip()


def refuse(admin: Kubectl, namespace: str, *manifests: Json) -> bool:
    """Return whether the API server refuses all of these."""
    return all(answer(admin, namespace, manifest) for manifest in manifests)


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES.keys())
def test_a_broken_policy_refuses_what_is_in_scope_and_nothing_else(
    admin: Kubectl, space: Space, breakage: Json
) -> None:
    inside, outside = space("secnumcloud"), space(None)
    labelled = pod("one", labels={"sovereignty.dev/policy": "secnumcloud"})
    ours = (pod("one"), workload("DaemonSet", "all"))
    sovereignty = sovereign("app", workloadRef={"kind": "Deployment", "name": "app"})
    admin.create(pod("there", schedulerName="nobody"), inside)
    broken = list(admission(admin))
    (listed,) = admin.list("configmaps", NAMESPACE, "sovereignty.dev/guards")
    installed = json.loads(listed["data"]["guards.json"])
    policies = [entry for entry in installed if entry["kind"] != "MutatingWebhookConfiguration"]
    assert {name for _, name in broken} == {entry["metadata"]["name"] for entry in policies}
    with ExitStack() as stack:
        for kind, name in broken:
            broken_so = BROKEN_RULE if name.startswith(SOME_ACCOUNTS) else breakage
            stack.enter_context(changed_policy(admin, kind, name, **broken_so))
        # First check that the broken policies do fail in scope: otherwise the checks below would prove nothing.
        eventually(lambda: refuse(admin, inside, *ours), seconds=20, what="refusals in scope")
        eventually(lambda: refuse(admin, outside, labelled, sovereignty), seconds=20, what="refusals by label")

        for namespace in (outside, "default", *SYSTEM):
            for manifest in ours:
                assert not answer(admin, namespace, manifest)
        # The API server looks for the kind of the parameters before the bindings, which leave these namespaces out.
        for namespace in SYSTEM if "paramKind" not in breakage else ():
            assert not answer(admin, namespace, labelled)
        for manifest in (workload("Deployment", "app"), workload("Job", "app")):
            assert not answer(admin, inside, manifest)
        # A node that cannot update its status would be considered dead: the guard of nodes fails open.
        patch = json.dumps({"metadata": {"annotations": {"example.org/seen": "yes"}}})
        # So does the guard of annotations, for a kubelet that updates the status of its pods. A change of a pod in
        # scope itself is refused: it could change the image of the sidecar.
        status = "--subresource=status"
        for what in (("node", "paris-1"), ("node", "paris-1", status), ("pod", "there", "-n", inside, status)):
            admin.run("patch", *what, "--type=merge", "-p", patch, "--dry-run=server")
    eventually(lambda: not answer(admin, inside, pod("one")), seconds=20, what="all as before")


def test_what_runs_the_cluster_is_never_in_scope(admin: Kubectl) -> None:
    """Neither a label on the namespace nor one on a pod brings it into scope."""
    claims = pod("one", labels={"sovereignty.dev/policy": "no-such-policy"}, nodeName="paris-1")
    try:
        for namespace in SYSTEM:
            admin.run("label", "namespace", namespace, "sovereignty.dev/enforce=no-such-policy", "--overwrite")
            created = admin.run("-n", namespace, *DRY, "-o", "json", stdin=json.dumps(claims))
            assert "nodeSelector" not in json.loads(created)["spec"]
    finally:
        for namespace in SYSTEM:
            admin.run("label", "namespace", namespace, "sovereignty.dev/enforce-")
