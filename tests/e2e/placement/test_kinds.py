"""Each kind of workload, owned or adopted, in a labelled namespace or not, runs only on accepted nodes."""

import pytest

from hack import estate
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.manifests import KINDS, sovereign, trigger, workload, workload_spec
from tests.e2e.support.observed import condition, living_pods
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.every_kubernetes

POLICY = "secnumcloud"


def until_placed(admin: Kubectl, namespace: str, name: str) -> list[Json]:
    """Wait until the SovereignWorkload reports that its pods are placed, and return them."""

    def look() -> list[Json]:
        status = admin.get("swl", name, namespace).get("status", {})
        conditions = {condition["type"]: condition for condition in status.get("conditions", ())}
        assert conditions.get("Placed", {}).get("status") == "True", status
        pods = living_pods(admin, namespace, f"app={name}")
        assert status["inside"] == len(pods) == 2, (status, len(pods))
        return pods

    return eventually(look, seconds=90, what=f"{name} placed")


@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "unlabelled"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_owned_workload_runs_only_on_accepted_nodes(
    admin: Kubectl, space: Space, anywhere: str, kind: str, labelled: bool
) -> None:
    namespace, name = space(POLICY) if labelled else anywhere, f"owned-{kind.lower()}"
    template = {"kind": kind, "spec": workload_spec(kind, name)}
    admin.apply(sovereign(name, policy=POLICY, template=template), namespace=namespace)
    eventually(lambda: admin.get(kind.lower(), name, namespace), what="the workload")
    trigger(admin, kind, namespace, name)
    pods = until_placed(admin, namespace, name)
    assert {pod["spec"]["nodeName"] for pod in pods} <= set(estate.ACCEPTED)
    owner = admin.get(kind.lower(), name, namespace)["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("SovereignWorkload", name)
    enforced = condition(admin, "swl", name, "Enforced", namespace)
    assert enforced["status"] == str(labelled), enforced
    admin.run("-n", namespace, "delete", "swl", name, "--wait=false")


@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "unlabelled"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_adopted_workload_runs_only_on_accepted_nodes(
    admin: Kubectl, space: Space, kind: str, labelled: bool
) -> None:
    namespace = space(POLICY if labelled else None)
    admin.apply(workload(kind, "taken"), namespace=namespace)
    admin.apply(sovereign("taken", policy=POLICY, workloadRef={"kind": kind, "name": "taken"}), namespace=namespace)
    if kind == "Job" and not labelled:
        reason = eventually(lambda: condition(admin, "swl", "taken", "Accepted", namespace)["reason"], what="a reason")
        assert reason == "JobImmutable"
        return
    if kind == "CronJob":
        eventually(
            lambda: condition(admin, "swl", "taken", "Accepted", namespace)["status"] == "True", what="acceptance"
        )
    trigger(admin, kind, namespace, "taken")
    pods = until_placed(admin, namespace, "taken")
    assert {pod["spec"]["nodeName"] for pod in pods} <= set(estate.ACCEPTED)
    assert "ownerReferences" not in admin.get(kind.lower(), "taken", namespace)["metadata"]


# A Job's template cannot change, and the API server copies its labels to a Job that has none.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Job"])
def test_an_orphan_goes_on_without_our_label(admin: Kubectl, anywhere: str, kind: str) -> None:
    """The operator wrote the whole workload, so giving it back must not remove all that the operator wrote."""
    name = f"orphan-{kind.lower()}"
    template = {"kind": kind, "spec": workload_spec(kind, name)}
    admin.apply(sovereign(name, policy=POLICY, template=template), namespace=anywhere)
    uid = eventually(lambda: admin.get(kind.lower(), name, anywhere)["metadata"]["uid"], what="the workload")
    admin.run("-n", anywhere, "delete", "swl", name, "--cascade=orphan")

    def without_label() -> bool:
        metadata = admin.get(kind.lower(), name, anywhere)["metadata"]
        assert metadata["uid"] == uid
        assert "ownerReferences" not in metadata
        return "sovereignty.dev/policy" not in metadata.get("labels", {})

    eventually(without_label, seconds=30, what="the label gone")
    admin.run("-n", anywhere, "delete", kind.lower(), name, "--wait=false")
