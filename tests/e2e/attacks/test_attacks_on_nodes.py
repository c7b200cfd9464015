"""Neither people nor kubelets say which nodes are accepted."""

import json

import pytest

from hack.cluster import Cluster
from hack.demo.attacks import NODE_LABEL, TARGET
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.estate import INSIDE, labelled
from tests.e2e.support.guards import NODES, without_bindings

pytestmark = pytest.mark.every_kubernetes

RELABEL = {"nodes": (), "nodes/status": ("--subresource=status",)}


@pytest.mark.parametrize("options", RELABEL.values(), ids=RELABEL.keys())
def test_nobody_labels_a_node_as_accepted(admin: Kubectl, mallory: Kubectl, options: tuple[str, ...]) -> None:
    patch = json.dumps({"metadata": {"labels": {NODE_LABEL: "accepted"}}})
    attack = ("patch", "node", TARGET, *options, "--type=merge", "-p", patch)
    refused = mallory.refusal(*attack)
    assert f"ValidatingAdmissionPolicy '{NODES}'" in refused
    assert "say in a Datacentre where the node stands" in refused

    with without_bindings(admin, NODES):
        eventually(lambda: mallory.attempt(*attack).returncode == 0, seconds=20, what="success without the guard")
    # Even without the guard the label does not last: the controller removes labels that it did not decide.
    eventually(lambda: labelled(admin) == {"brest-1", "lyon-1"}, seconds=20, what="the label gone")
    eventually(lambda: NODES in mallory.attempt(*attack, "--dry-run=server").stderr, seconds=20, what="the guard again")


def test_nobody_takes_the_label_off_an_accepted_node(mallory: Kubectl) -> None:
    """Without the label, a kubelet that restarts would end the policy's pods on the node."""
    assert NODES in mallory.refusal("label", "node", INSIDE, f"{NODE_LABEL}-")


def test_a_kubelet_does_not_label_its_node_as_accepted(cluster: Cluster) -> None:
    """The label has the reserved prefix for this reason: NodeRestriction, the API server's own plugin, refuses the
    kubelet.
    """
    kubelet = Kubectl(cluster.node_kubeconfig(TARGET))
    assert "is not allowed to modify labels" in kubelet.refusal("label", "node", TARGET, f"{NODE_LABEL}=accepted")


def test_nor_does_it_say_what_a_policy_thinks_of_it(cluster: Cluster) -> None:
    kubelet = Kubectl(cluster.node_kubeconfig(TARGET))
    verdict = f"verdict.{_POLICY}"
    for attack in (f"{verdict}=accepted, by me", f"{verdict}-", "verdict.sovereignty.dev/other=accepted"):
        refused = kubelet.refusal("annotate", "node", TARGET, attack, "--overwrite")
        assert f"ValidatingAdmissionPolicy '{NODES}'" in refused
        assert f"system:node:{TARGET} may not write verdict.sovereignty.dev/" in refused
    kubelet.run("annotate", "node", TARGET, "example.org/x=y", "--dry-run=server")


@pytest.mark.usefixtures("changed_estate")
def test_what_a_kubelet_says_of_itself_is_no_evidence(admin: Kubectl, cluster: Cluster) -> None:
    """A kubelet may label its node with a region. A datacentre that selects on it contains the node, but strict
    policies still refuse the node.
    """
    region = "topology.kubernetes.io/region"
    before = admin.get("node", TARGET)["metadata"]["labels"][region]
    site = {"serviceRef": {"name": "armor-snc"}, "country": "FR", "nodeSelector": {region: "armor-brest-snc"}}
    admin.delete("datacentre", "paris")
    admin.apply(
        {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "Datacentre", "metadata": {"name": "brest-2"}, "spec": site}
    )
    kubelet = Kubectl(cluster.node_kubeconfig(TARGET))
    try:
        kubelet.run("label", "node", TARGET, f"{region}=armor-brest-snc", "--overwrite")
        verdict = eventually(
            lambda: (
                "brest-2" in (seen := admin.get("node", TARGET)["metadata"]["annotations"][f"verdict.{_POLICY}"])
                and seen
            ),
            what="a verdict about brest-2",
        )
        assert verdict.startswith("refused")
        assert TARGET not in labelled(admin)
    finally:
        kubelet.run("label", "node", TARGET, f"{region}={before}", "--overwrite")
        admin.delete("datacentre", "brest-2")


_POLICY = "sovereignty.dev/secnumcloud"
