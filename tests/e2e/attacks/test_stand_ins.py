"""A kubelet may show static pods with any labels, in any namespace: none stands in for a process of the operator."""

import json
from contextlib import suppress

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE, RELEASE
from hack.kubectl import Json, Kubectl, KubectlError, eventually
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import pod

GUARD = "sovereignty-guard-own-pods"
NODE = "nantes-1"
"""No policy accepts it."""
ADDRESS = "192.0.2.1"
"""Nobody has this address (RFC 5737)."""
CREATE = ("-n", NAMESPACE, "create", "-f", "-")


def mirror(admin: Kubectl, component: str) -> Json:
    """Return a mirror pod with the labels of one of the operator's processes."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": NODE, "controller": True}
    made = pod(f"sovereign-{component}-{NODE}", nodeName=NODE)
    labels = {"name": "sovereign-operator", "instance": RELEASE, "component": component}
    made["metadata"] |= {
        "labels": {f"app.kubernetes.io/{key}": value for key, value in labels.items()},
        "annotations": {"kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file"},
        "ownerReferences": [owner | {"uid": admin.get("node", NODE)["metadata"]["uid"]}],
    }
    return made


def addresses(admin: Kubectl, service: str) -> set[str]:
    """Return the addresses to which a Service sends."""
    slices = admin.list("endpointslices.discovery.k8s.io", NAMESPACE, f"kubernetes.io/service-name={service}")
    return {address for each in slices for end in each["endpoints"] or () for address in end["addresses"]}


@pytest.mark.every_kubernetes
@pytest.mark.parametrize("component", ["injector", "signer"])
def test_no_mirror_pod_becomes_an_endpoint_of_the_operator(admin: Kubectl, cluster: Cluster, component: str) -> None:
    kubelet, service = Kubectl(cluster.node_kubeconfig(NODE)), f"sovereign-{component}"
    shown = mirror(admin, component)
    name = shown["metadata"]["name"]
    said = eventually(
        lambda: (
            GUARD in (done := kubelet.attempt(*CREATE, "--dry-run=server", stdin=json.dumps(shown))).stderr and done
        ),
        what="a refusal",
    )
    assert f"system:node:{NODE} shows static pod {NAMESPACE}/{name} with a label by which the operator's" in said.stderr
    # Prometheus, signers and the controller look at one of the labels alone.
    for label, value in shown["metadata"]["labels"].items():
        alone = shown | {"metadata": shown["metadata"] | {"labels": {label: value}}}
        assert GUARD in kubelet.refusal(*CREATE, "--dry-run=server", stdin=json.dumps(alone))
    for labels in ({}, {"app.kubernetes.io/name": "node-exporter", "app.kubernetes.io/component": "metrics"}):
        plain = shown | {"metadata": shown["metadata"] | {"labels": labels}}
        kubelet.run(*CREATE, "--dry-run=server", stdin=json.dumps(plain))
    ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady", "PodScheduled", "Initialized")]
    status = {"phase": "Running", "conditions": ready, "podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}

    def pretends() -> bool:
        # The real kubelet of the node deletes a mirror pod for which it has no file.
        with suppress(KubectlError):
            made = json.loads(kubelet.run(*CREATE, "-o", "json", stdin=json.dumps(shown)))
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/status"
            kubelet.run("replace", "--raw", path, "-f", "-", stdin=json.dumps(made | {"status": status}))
        return ADDRESS in addresses(admin, service)

    with without_bindings(admin, GUARD):
        eventually(pretends, what="an endpoint without the guard")
        admin.delete("pod", name, "--grace-period=0", "--force", namespace=NAMESPACE)
    eventually(lambda: ADDRESS not in addresses(admin, service), what="the operator's endpoints alone")
