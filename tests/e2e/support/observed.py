"""What tests observe: conditions, pods, Events, metrics."""

import json

from hack.cluster import Cluster
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Json, Kubectl, TimedOutError, eventually
from tests.e2e.support.manifests import pod


def condition(admin: Kubectl, kind: str, name: str, which: str, namespace: str = "") -> Json:
    """Return one condition of an object of the operator's kinds. Raises AssertionError if it is not there yet."""
    obj = admin.get(kind, name, namespace)
    for found in obj.get("status", {}).get("conditions", ()):
        if found["type"] == which:
            assert found["observedGeneration"] == obj["metadata"]["generation"], f"{which} is of an older generation"
            result: Json = found
            return result
    raise AssertionError(f"{kind} {name} has no condition {which} yet")


def living_pods(admin: Kubectl, namespace: str, selector: str = "") -> list[Json]:
    """Return the running pods that are not being deleted."""
    pods = admin.list("pods", namespace, selector)
    return [pod for pod in pods if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]]


def nodes_of(pods: list[Json]) -> set[str]:
    """Return the nodes that pods run on."""
    return {pod["spec"]["nodeName"] for pod in pods}


def audit(pod: Json) -> dict[str, str]:
    """Return a pod's audit annotations, without their prefix."""
    prefix = "audit.sovereignty.dev/"
    annotations = pod["metadata"].get("annotations", {})
    return {key.removeprefix(prefix): value for key, value in annotations.items() if key.startswith(prefix)}


def events(admin: Kubectl, namespace: str, name: str) -> dict[str, str]:
    """Return the Events about an object: reason to message."""
    return {
        event["reason"]: event.get("message", "")
        for event in admin.list("events", namespace)
        if event["involvedObject"]["name"] == name
    }


def told(admin: Kubectl, namespace: str, words: str) -> bool:
    """Return whether an Event in a namespace contains these words. Events of other components may have no message."""
    return any(words in event.get("message", "") for event in admin.list("events", namespace))


WARNINGS = ("get", "events", "--field-selector=type=Warning", "--sort-by=.lastTimestamp")


def operator_state(admin: Kubectl) -> str:
    """Return the operator's pods, their last Warnings and the controllers' last log lines, to explain a failed test."""
    # A kubectl that hangs would end the whole run, as this is asked after the test.
    soon = ("-n", NAMESPACE, "--request-timeout=10s")
    logs = ("logs", "-l", CONTROLLER_PODS, "--prefix", "--tail=8")
    commands = (("get", "pods", "-o", "wide"), WARNINGS, logs, (*logs, "--previous"))
    shown = ("\n".join(admin.attempt(*soon, *command).stdout.splitlines()[-20:]) for command in commands)
    return "\n".join(line[:200] for text in shown for line in text.splitlines())


def placed_for(pod: Json) -> set[str]:
    """Return the policies whose node label a pod selects on."""
    prefix = "policy.sovereignty.node-restriction.kubernetes.io/"
    selector = pod["spec"].get("nodeSelector", {})
    return {key.removeprefix(prefix) for key in selector if key.startswith(prefix) and selector[key] == "accepted"}


def leader(admin: Kubectl) -> str:
    """Return the pod that holds the controller's Lease and still runs. Raises AssertionError if none does."""
    holder = admin.get("lease", "sovereign-controller", NAMESPACE)["spec"].get("holderIdentity")
    running = {pod["metadata"]["name"] for pod in living_pods(admin, NAMESPACE, CONTROLLER_PODS)}
    assert holder in running, f"{holder} holds the Lease, {running} run"
    return str(holder)


def metric(admin: Kubectl, cluster: Cluster, name: str) -> float:
    """Return the value of a metric without labels from the active controller; -1 if there is none."""
    try:
        pod_name = eventually(lambda: leader(admin), seconds=20, what="a leader")
    except TimedOutError:
        return -1
    address = admin.get("pod", pod_name, NAMESPACE)["status"]["podIP"]
    text = cluster.node_exec("nantes-1", ["curl", "--silent", "--fail", f"http://{address}:8080/metrics"]).stdout
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} ")), -1)


def endings(admin: Kubectl) -> dict[str, int]:
    """Return how often each pod's container of the operator has restarted."""
    return {
        f"{found['metadata']['name']}/{found['metadata']['uid']}": status["restartCount"]
        for found in admin.list("pods", NAMESPACE)
        for status in found["status"].get("containerStatuses", ())
    }


def suspend(admin: Kubectl, service: str) -> None:
    """Suspend all qualifications of a service."""
    found = admin.get("csvc", service)["spec"]["qualifications"]
    changed = [entry | {"status": "Suspended"} for entry in found]
    patch = json.dumps({"spec": {"qualifications": changed}})
    admin.run("patch", "csvc", service, "--type=merge", "-p", patch)


def run_one(admin: Kubectl, namespace: str) -> Json:
    """Run a pod, and return it once the operator has written all annotations."""
    made = pod("one")
    made["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1m"}}
    admin.create(made, namespace)
    admin.run("-n", namespace, "wait", "pod/one", "--for=condition=Ready", "--timeout=60s")
    return eventually(
        lambda: "decision-id" in audit(seen := admin.get("pod", "one", namespace)) and seen, what="the operator's word"
    )
