"""The API server's store is restored from a backup, so that versions go back, and the operator goes on by itself."""

import json
from pathlib import Path

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.estate import host_names, restore_estate, set_status, until_in_force
from tests.e2e.support.manifests import IMAGE, pod
from tests.e2e.support.observed import endings
from tests.e2e.support.spaces import Space

# Not all of Kubernetes' own processes notice that versions went back: Services that are made later were not reached.
pytestmark = pytest.mark.last

POLICY = "restored"
LOST_VERSIONS = 3000
"""How far versions go back at least. The cluster itself writes some hundred times in a minute."""


@pytest.fixture
def encrypting(admin: Kubectl, cluster: Cluster) -> str:
    """A policy whose pods need each process of the operator to start."""
    cluster.load_image(public.archive(IMAGE))
    admin.apply(estate.policy(admin, POLICY, encryptionInTransit={"mode": "Permissive"}))
    until_in_force(admin, POLICY)
    return POLICY


def write_much(admin: Kubectl, namespace: str) -> None:
    """Have the API server store many versions, none of which is needed."""
    content = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"lost-{n}", "labels": {"lost": ""}}}
        for n in range(500)
    ]
    before = version(admin)
    while version(admin) < before + LOST_VERSIONS:
        admin.run(
            "-n",
            namespace,
            "create",
            "-f",
            "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": content}),
        )
        admin.run("-n", namespace, "delete", "configmaps", "--selector=lost", "--wait=false")


def version(admin: Kubectl) -> int:
    """Return the version that the store has come to."""
    shown: Json = json.loads(admin.run("get", "--raw", "/api/v1/namespaces?limit=1"))
    return int(shown["metadata"]["resourceVersion"])


def run_one(admin: Kubectl, namespace: str, name: str, seconds: int) -> str:
    """Run a pod, and return its node. It is tried again, as a controller would: guards may refuse it for a moment."""
    made = json.dumps(pod(name))
    eventually(lambda: not admin.attempt("-n", namespace, "create", "-f", "-", stdin=made).returncode, what="a pod")
    admin.run("-n", namespace, "wait", f"pod/{name}", "--for=condition=Ready", f"--timeout={seconds}s")
    return str(admin.get("pod", name, namespace)["spec"]["nodeName"])


def unaided(admin: Kubectl) -> dict[str, int]:
    """Return how often the injectors and agents have restarted: they have no Lease that would have told them."""
    return {
        name: count
        for name, count in endings(admin).items()
        if name.startswith(("sovereign-injector", "sovereign-agent"))
    }


def test_a_withdrawal_right_after_a_restore_takes_effect_within_a_minute(
    admin: Kubectl, cluster: Cluster, space: Space, encrypting: str, tmp_path: Path
) -> None:
    namespace = space(encrypting)
    run_one(admin, namespace, "before", 90)
    before = unaided(admin)
    assert before
    cluster.back_up_store(tmp_path / "backup")

    # All this is lost.
    lost = space(encrypting)
    set_status(admin, "hexa-gouv", "Suspended")
    eventually(lambda: host_names(admin, encrypting) == ["brest-1"], what="a suspension")
    admin.delete("pod", "before", namespace=namespace)
    write_much(admin, lost)
    newest = version(admin)

    cluster.restore_store(tmp_path / "backup")
    assert version(admin) < newest
    assert admin.get("csvc", "hexa-gouv")["spec"]["qualifications"][0]["status"] == "Qualified"
    set_status(admin, "armor-snc", "Suspended")
    eventually(lambda: host_names(admin, encrypting) == ["lyon-1"], seconds=60, what="a withdrawal after a restore")
    # The store has not come to the versions from which processes watched before the restore.
    assert version(admin) < newest

    # Injector, signer and agent know namespaces, policies and pods that came after the restore.
    later = space(encrypting)
    assert run_one(admin, later, "after", 90) == "lyon-1"
    assert version(admin) < newest
    assert unaided(admin) == before
    labels = admin.get("node", "brest-1")["metadata"]["labels"]
    assert names.node_host_label(encrypting) not in labels
    admin.run("delete", "sovereigntypolicy", encrypting)
    restore_estate(admin)
