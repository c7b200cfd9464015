"""Show what the operator does, on a real cluster on this machine, and leave the cluster running.

Results are real answers of the API server and of pods, and captured frames. Attacks must be refused: without the
guards, the demo fails.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml

from hack import estate
from hack.cluster import ClusterSpec, binaries, up
from hack.cluster.cluster import Cluster
from hack.cluster.errors import ClusterError
from hack.cluster.spec import KUBERNETES_VERSIONS
from hack.demo import attacks, encryption, screen
from hack.demo.traffic import Traffic
from hack.images import public
from hack.images.errors import ImageBuildError
from hack.install import CONTROLLER_PODS, NAMESPACE, HelmError, find, install
from hack.kubectl import Json, Kubectl, KubectlError, TimedOutError, eventually

CLUSTER = "sovereign-demo"
POLICY = "secnumcloud"
SPACE = "hospital"
WORKLOADS = Path(__file__).parent.parent.parent / "tests" / "data" / "workloads"
APPLICATION = WORKLOADS / "istio-samples" / "samples" / "httpbin" / "httpbin.yaml"
IMAGES = ("docker.io/mccutchen/go-httpbin:v2.15.0", encryption.IMAGE)
CONTROLLER = "deployment/sovereign-controller"

NODE_COLUMNS = ",".join(
    (
        "NODE:.metadata.name",
        r"DATACENTRE:.metadata.labels.sovereignty\.node-restriction\.kubernetes\.io/datacentre",
        rf"VERDICT OF POLICY {POLICY}:.metadata.annotations.verdict\.sovereignty\.dev/{POLICY}",
    )
)


def prepare(name: str, kubernetes: str | None = None) -> Cluster:
    """Bring the cluster up, install the operator, and load the images of the demo's applications."""
    cluster = up(ClusterSpec(name, estate.NODES, kubernetes=kubernetes))
    install(cluster)
    for image in IMAGES:
        cluster.load_image(public.archive(image))
    return cluster


def show(cluster: Cluster) -> None:
    """Run the demo on a cluster with the operator on it. Raises AssertionError if a promise is not kept."""
    kubectl = Kubectl(cluster.kubeconfig)
    reset(kubectl)
    show_nodes(kubectl)
    show_adoption(cluster, kubectl)
    show_attacks(cluster, kubectl)
    show_suspension(kubectl, encryption.show(cluster, kubectl))


def reset(kubectl: Kubectl) -> None:
    """Remove what an earlier demo left, and restore services and datacentres."""
    kubectl.run("-n", NAMESPACE, "scale", CONTROLLER, "--replicas=2")
    kubectl.delete("namespace", SPACE, attacks.MISTYPED_SPACE)
    encryption.reset(kubectl)
    kubectl.apply(*estate.services(datetime.now(UTC).date()), *estate.datacentres(kubectl))
    eventually(lambda: accepted_nodes(kubectl) == 2, what="two nodes accepted")  # noqa: PLR2004 - Brest and Lyon


def accepted_nodes(kubectl: Kubectl) -> int:
    """Return how many nodes the policy accepts."""
    nodes: int = kubectl.get("sovereigntypolicy", POLICY).get("status", {}).get("nodes", 0)
    return nodes


def show_nodes(kubectl: Kubectl) -> None:
    """Show the policy's verdict on each node, with the reason."""
    screen.title("The nodes: their datacentres, and the policy's verdict on each")
    screen.ran(f"kubectl get nodes -o custom-columns=...,VERDICT:.metadata.annotations.verdict.../{POLICY}")
    screen.result(kubectl.run("get", "nodes", "-o", f"custom-columns={NODE_COLUMNS}"))


def show_adoption(cluster: Cluster, kubectl: Kubectl) -> None:
    """Put a running application in scope while it answers requests."""
    screen.title("An existing application, running on any node, is put in scope of the policy")
    kubectl.run("create", "namespace", SPACE)
    kubectl.apply(*application(), namespace=SPACE)
    kubectl.run("-n", SPACE, "rollout", "status", "deployment/httpbin", "--timeout=120s")
    screen.ran("kubectl get pods", kubectl.run("-n", SPACE, "get", "pods", "-o", "custom-columns=:.spec.nodeName"))
    address = kubectl.get("service", "httpbin", SPACE)["spec"]["clusterIP"]
    traffic = Traffic(cluster, "nantes-1", f"http://{address}:8000/get")
    # Pods are ready a moment before a node's kube-proxy forwards connections to them.
    eventually(lambda: not traffic.ask(), what="a first answer")
    with traffic:
        eventually(lambda: traffic.answered > 20, what="requests answered")  # noqa: PLR2004 - enough to begin with
        screen.ran(f"kubectl label namespace {SPACE} sovereignty.dev/enforce={POLICY}")
        kubectl.run("label", "namespace", SPACE, f"sovereignty.dev/enforce={POLICY}")
        screen.ran("kubectl apply -f -   # a SovereignWorkload: workloadRef: {kind: Deployment, name: httpbin}")
        kubectl.apply(attacks.SOVEREIGN_WORKLOAD, namespace=SPACE)
        kubectl.run("-n", SPACE, "wait", "swl/httpbin", "--for=condition=Ready", "--timeout=120s")
        kubectl.run("-n", SPACE, "rollout", "status", "deployment/httpbin", "--timeout=120s")
        eventually(lambda: kubectl.get("swl", "httpbin", SPACE)["status"]["pods"] == 6, what="six pods")  # noqa: PLR2004
    screen.result(kubectl.run("-n", SPACE, "get", "swl"))
    screen.note(f"meanwhile {traffic.answered} requests were answered and {len(traffic.failures)} failed")
    assert not traffic.failures, traffic.failures[:3]


def application() -> list[Json]:
    """Return the public application, with the settings that any application needs so that a roll-out fails no request.

    Its first pods have them too: a pod that ended before kube-proxy noticed would fail one of our requests.
    """
    objects = [found for found in yaml.safe_load_all(APPLICATION.read_text()) if found]
    (deployment,) = (found for found in objects if found["kind"] == "Deployment")
    deployment["spec"]["replicas"] = 6
    deployment["spec"]["template"]["spec"]["containers"][0] |= {
        "readinessProbe": {"httpGet": {"path": "/status/200", "port": 8080}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 10}}},
    }
    return objects


def show_attacks(cluster: Cluster, kubectl: Kubectl) -> None:
    """Attack with the operator stopped. RBAC allows each attack."""
    screen.title("The operator is stopped. Cluster admins and a kubelet try to get around the policy")
    screen.ran(f"kubectl -n {NAMESPACE} scale {CONTROLLER} --replicas=0")
    kubectl.run("-n", NAMESPACE, "scale", CONTROLLER, "--replicas=0")
    eventually(lambda: not kubectl.list("pods", NAMESPACE, CONTROLLER_PODS), what="no controller")
    for attack in attacks.ATTACKS:
        screen.ran(attack.title)
        screen.result(attacks.brief(attack.run(cluster, kubectl, SPACE)))
    screen.ran(f"kubectl -n {NAMESPACE} scale {CONTROLLER} --replicas=2")
    kubectl.run("-n", NAMESPACE, "scale", CONTROLLER, "--replicas=2")
    eventually(lambda: is_led(kubectl), what="a controller at work")


def is_led(kubectl: Kubectl) -> bool:
    """Return whether one of the running controllers holds the Lease."""
    pods = {pod["metadata"]["name"] for pod in kubectl.list("pods", NAMESPACE, CONTROLLER_PODS)}
    return kubectl.get("lease", "sovereign-controller", NAMESPACE)["spec"].get("holderIdentity") in pods


def status_patch(status: str) -> str:
    """Return the patch that sets the status of a CloudService's first qualification."""
    return json.dumps([{"op": "replace", "path": "/spec/qualifications/0/status", "value": status}])


def show_suspension(kubectl: Kubectl, show_cut: Callable[[float], None]) -> None:
    """Suspend a qualification, and show what follows."""
    screen.title("ANSSI suspends a qualification")
    screen.ran("kubectl patch cloudservice hexa-gouv ...   # status: Suspended")
    begun = time.monotonic()
    kubectl.run("patch", "cloudservice", "hexa-gouv", "--type=json", "-p", status_patch("Suspended"))
    eventually(lambda: accepted_nodes(kubectl) == 1, what="one node left")
    reported = eventually(
        lambda: kubectl.get("swl", "httpbin", SPACE)["status"]["outside"], what="pods reported outside"
    )
    screen.note(f"after {time.monotonic() - begun:.1f} s {reported} pod(s) are reported outside; none was killed")
    show_cut(begun)
    placed = "{.status.conditions[?(@.type=='Placed')].message}"
    screen.ran("kubectl get swl httpbin -o jsonpath={...Placed...message}")
    screen.result(kubectl.run("-n", SPACE, "get", "swl", "httpbin", "-o", f"jsonpath={placed}"))
    screen.ran("kubectl rollout restart deployment/httpbin   # as the message says")
    kubectl.run("-n", SPACE, "rollout", "restart", "deployment/httpbin")
    kubectl.run("-n", SPACE, "rollout", "status", "deployment/httpbin", "--timeout=120s")
    kubectl.run("-n", SPACE, "wait", "swl/httpbin", "--for=condition=Ready", "--timeout=120s")
    screen.result(kubectl.run("-n", SPACE, "get", "swl", "--no-headers"))
    screen.title("What an auditor reads on one pod")
    screen.result(audit_annotations(kubectl))


def audit_annotations(kubectl: Kubectl) -> str:
    """Return the audit annotations of one running pod, a line each."""

    def read() -> str:
        pods = kubectl.list("pods", SPACE, "app=httpbin")
        pod = next(pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
        found = {key: value for key, value in pod["metadata"]["annotations"].items() if key.startswith("audit.")}
        return "\n".join(f"{key}: {value}" for key, value in sorted(found.items())) if len(found) > 1 else ""

    return eventually(read, what="audit annotations")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="python -m hack.demo", description=__doc__)
    parser.add_argument("--name", default=CLUSTER, help=f"the cluster's name, by default {CLUSTER}")
    parser.add_argument("--kubernetes", choices=KUBERNETES_VERSIONS, help="its version (default: the newest)")
    parser.add_argument("--installed", action="store_true", help="the cluster is up and the operator is on it")
    given = parser.parse_args(arguments)
    try:
        cluster = find(given.name) if given.installed else prepare(given.name, given.kubernetes)
        show(cluster)
    except (AssertionError, ClusterError, HelmError, ImageBuildError, KubectlError, TimedOutError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    screen.title("The cluster keeps running. Explore it, and stop it when you are done")
    programs = ":".join(str(binaries.path(name).parent) for name in ("kubectl", "helm"))
    screen.note(f"export KUBECONFIG={cluster.kubeconfig} PATH={programs}:$PATH")
    screen.note("kubectl get sovereignty -A; kubectl describe node paris-1; kubectl -n hospital describe swl httpbin")
    restored = status_patch("Qualified")
    screen.note(f"kubectl patch cloudservice hexa-gouv --type=json -p '{restored}'   # then: kubectl get spol,swl -A")
    screen.note(f"make down NAME={given.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
