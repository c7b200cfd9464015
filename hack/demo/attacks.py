"""Attacks that a user with every right may try, and how the API server answers them."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hack.cluster.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually

MISTYPED_SPACE: Final = "mistyped"
TARGET: Final = "paris-1"
NODE_LABEL: Final = "policy.sovereignty.node-restriction.kubernetes.io/secnumcloud"

SOVEREIGN_WORKLOAD: Final[Json] = {
    "apiVersion": "sovereignty.dev/v1alpha1",
    "kind": "SovereignWorkload",
    "metadata": {"name": "httpbin"},
    "spec": {"workloadRef": {"kind": "Deployment", "name": "httpbin"}},
}


@dataclass(frozen=True)
class Attack:
    """One attempt. ``run`` returns what the API server answered; it raises AssertionError if nothing stopped it."""

    title: str
    run: Callable[[Cluster, Kubectl, str], str]


def pod(name: str, **spec: Any) -> Json:
    """Return a pod that does nothing."""
    container = {"name": "idle", "image": "docker.io/mccutchen/go-httpbin:v2.15.0"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }


def binding(name: str, node: str) -> Json:
    """Return a Binding of a pod to a node."""
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }


def name_a_node(_: Cluster, kubectl: Kubectl, space: str) -> str:
    """Create a pod that names its node, so that neither a scheduler nor a Binding is involved."""
    manifest = json.dumps(pod("by-name", nodeName=TARGET))
    return kubectl.refusal("-n", space, "create", "-f", "-", stdin=manifest)


def brief(answer: str) -> str:
    """Shorten an answer of the API server to the policy that refused the request, and the reason."""
    found = re.search(r"ValidatingAdmissionPolicy '([^']+)' .*?denied request: (.*)", answer, re.DOTALL)
    return f"{found[1]}: {found[2]}" if found else answer


def bind_by_hand(_: Cluster, kubectl: Kubectl, space: str) -> str:
    """Bind a waiting pod to a node through each of the two endpoints."""
    kubectl.delete("pod", "waiting", namespace=space)
    kubectl.create(pod("waiting", schedulerName="nobody"), space)
    manifest = json.dumps(binding("waiting", TARGET))
    answers = {
        brief(kubectl.refusal("create", "--raw", f"/api/v1/namespaces/{space}/{path}", "-f", "-", stdin=manifest))
        for path in ("pods/waiting/binding", "bindings")
    }
    kubectl.delete("pod", "waiting", namespace=space)
    return "\n".join(answers)


def open_affinity(_: Cluster, kubectl: Kubectl, space: str) -> str:
    """Request any node at all. This is allowed: the pod is admitted, and runs on a node that the policy accepts."""
    kubectl.delete("pod", "anywhere", namespace=space)
    terms = [
        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [TARGET]}]},
        {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]},
    ]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    kubectl.create(pod("anywhere", affinity=affinity, tolerations=[{"operator": "Exists"}]), space)
    node = eventually(
        lambda: kubectl.get("pod", "anywhere", space)["spec"].get("nodeName"), what="the pod is scheduled"
    )
    assert node != TARGET, f"the pod was scheduled to {node}"
    template = "{.metadata.name} was admitted and runs on {.spec.nodeName}, as its nodeSelector is {.spec.nodeSelector}"
    return kubectl.run("-n", space, "get", "pod", "anywhere", "-o", f"jsonpath={template}")


def relabel_own_node(cluster: Cluster, _: Kubectl, __: str) -> str:
    """Label a node with its own kubelet's credentials."""
    kubelet = Kubectl(cluster.node_kubeconfig(TARGET))
    return kubelet.refusal("label", "node", TARGET, f"{NODE_LABEL}=accepted")


def relabel_as_admin(_: Cluster, kubectl: Kubectl, __: str) -> str:
    """Label a node as a cluster admin."""
    return kubectl.refusal("label", "node", TARGET, f"{NODE_LABEL}=accepted", "--overwrite")


def mistype_the_policy(_: Cluster, kubectl: Kubectl, __: str) -> str:
    """Mistype the policy's name in a namespace's label, and create a pod there."""
    kubectl.delete("namespace", MISTYPED_SPACE)
    kubectl.run("create", "namespace", MISTYPED_SPACE)
    kubectl.run("label", "namespace", MISTYPED_SPACE, "sovereignty.dev/enforce=secnumcluod")
    eventually(lambda: kubectl.get("serviceaccount", "default", MISTYPED_SPACE), what="a service account")
    return kubectl.refusal("-n", MISTYPED_SPACE, "create", "-f", "-", stdin=json.dumps(pod("any")))


ATTACKS: Final = (
    Attack(f"create a pod with spec.nodeName: {TARGET}", name_a_node),
    Attack(f"bind a pod to {TARGET} by hand: POST .../pods/waiting/binding, and the older .../bindings", bind_by_hand),
    Attack(f"create a pod with an affinity for {TARGET} or any node, tolerating everything", open_affinity),
    Attack(f"label {TARGET} as accepted, as its own kubelet", relabel_own_node),
    Attack(f"label {TARGET} as accepted, as a cluster admin", relabel_as_admin),
    Attack("create a pod in a namespace whose label names secnumcluod", mistype_the_policy),
)
