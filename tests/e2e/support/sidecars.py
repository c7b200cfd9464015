"""Pods with sidecars, and clusters without the injector or an agent."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from sovereign_operator.core.encryption.disconnects import Disconnects
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.kube.objects.transit_config import see_transit_config
from tests.e2e.support.guards import without_webhooks
from tests.e2e.support.manifests import pod
from tests.e2e.support.spaces import Held

WRITTEN = names.audit_annotation("policy")
"""What admission writes into each pod that it places."""


def encrypted(admin: Kubectl, policy: str) -> Json:
    """Return the condition Encrypted of a policy; an empty one if there is none yet."""
    conditions = admin.get("sovereigntypolicy", policy).get("status", {}).get("conditions", ())
    nothing = {"status": "", "reason": "", "message": ""}
    return next((found for found in conditions if found["type"] == "Encrypted"), nothing)


def disconnects(admin: Kubectl, policy: str) -> Disconnects:
    """Return how often the sidecars of a policy ended all connections, and the CAs that the controller recorded."""
    config = see_transit_config(admin.get("configmap", sidecar.transit_config_map(policy), NAMESPACE))
    assert config
    return config.disconnects


def sidecar_of(pod: Json) -> Json | None:
    """Return the sidecar of a pod, if it has one."""
    found = sidecar.container_of(pod)
    return dict(found) if found else None


def dry_run(person: Kubectl, pod: Json, namespace: str) -> Json:
    """Return a pod as the API server would create it. Raises KubectlError if it is refused."""
    said = person.run("-n", namespace, "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod))
    found: Json = json.loads(said)
    return found


@contextmanager
def without_injector(admin: Kubectl, namespace: str, pod: Json) -> Iterator[None]:
    """Delete the webhook, and restore it at the end. ``pod`` is used to probe when the change takes effect.

    Where the injector also places pods, it has to be placed already: of all guards that refuse a pod, one is named.
    """
    try:
        with without_webhooks(admin):
            eventually(
                lambda: "is not sovereignty-sidecar" in refusal(admin, pod, namespace), what="pods without a sidecar"
            )
            yield
    finally:
        eventually(lambda: sidecar_of(dry_run(admin, pod, namespace)), what="the webhook again")


@dataclass(frozen=True)
class Exposed:
    """Namespaces in scope of an encrypting policy while the injector's webhook is deleted."""

    namespace: str
    injected: Json
    """A pod as the injector returned it."""
    by_label: Json
    """The same for a pod whose label names its policy, in ``elsewhere``."""
    elsewhere: str
    """A namespace without a policy, to which a policy gives certificates."""


@contextmanager
def exposed_to(admin: Kubectl, policy: str, roaming: Held) -> Iterator[Exposed]:
    """Make a namespace in scope of an encrypting policy, and delete the injector's webhook for a while."""
    namespace, labels = f"exposed-{uuid4().hex[:6]}", {"sovereignty.dev/enforce": policy}
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    eventually(lambda: admin.get("serviceaccount", "default", namespace), what="a service account")
    plain = pod("app", automountServiceAccountToken=False)
    plain["spec"]["containers"][0]["livenessProbe"] = {"httpGet": {"port": 8080, "path": "/up"}}
    labelled = copy.deepcopy(plain)
    labelled["metadata"]["labels"] = {"sovereignty.dev/policy": roaming.policy}
    found = [as_written(dry_run(admin, *each)) for each in ((plain, namespace), (labelled, roaming.namespace))]
    with without_injector(admin, namespace, placed_as(plain, found[0])):
        yield Exposed(namespace, found[0], found[1], roaming.namespace)
    admin.run("delete", "namespace", namespace, "--wait=false")


@contextmanager
def without_agent(admin: Kubectl, node: str) -> Iterator[None]:
    """Remove the agent from a node, and restore it at the end. The other agents keep running."""
    agents = ("-n", NAMESPACE, "patch", "daemonset", "sovereign-agent", "-p")

    def there() -> bool:
        found = admin.list("pods", NAMESPACE, "app.kubernetes.io/component=agent")
        return node in {pod["spec"].get("nodeName") for pod in found}

    elsewhere = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node]}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]}
        }
    }
    stay = {"type": "OnDelete", "rollingUpdate": None}
    admin.run(*agents, json.dumps({"spec": {"updateStrategy": stay, "template": {"spec": {"affinity": affinity}}}}))
    try:
        eventually(lambda: not there(), what=f"{node} without an agent")
        yield
    finally:
        admin.run(*agents, json.dumps({"spec": {"template": {"spec": {"affinity": None}}}}))
        roll = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}}
        admin.run(*agents, json.dumps({"spec": {"updateStrategy": roll}}))
        admin.run("-n", NAMESPACE, "rollout", "status", "daemonset/sovereign-agent", "--timeout=2m")


def refusal(person: Kubectl, pod: Json, namespace: str) -> str:
    """Return why a pod would be refused; empty if it would not."""
    attempt = ("-n", namespace, "create", "--dry-run=server", "-f", "-")
    done = person.attempt(*attempt, stdin=json.dumps(pod))
    return done.stderr.strip() if done.returncode else ""


def placed_as(pod: Json, placed: Json) -> Json:
    """Return a pod that is placed as another one was."""
    metadata = {key: placed["metadata"][key] for key in ("labels", "annotations")}
    spec = {"nodeSelector": placed["spec"]["nodeSelector"]}
    return pod | {"metadata": pod["metadata"] | metadata, "spec": pod["spec"] | spec}


def as_written(pod: Json) -> Json:
    """Return a pod read from the API server as a client would send it to create it again.

    It names its policy: where the injector places pods, nothing else may write that while there is no webhook.
    """
    kept = {key: pod["metadata"][key] for key in ("name", "labels") if key in pod["metadata"]}
    kept["annotations"] = {WRITTEN: pod["metadata"]["annotations"][WRITTEN]}
    spec = {key: value for key, value in pod["spec"].items() if key not in {"nodeName", "serviceAccountName"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": spec}
