"""The example services and datacentres, and the nodes that they make acceptable."""

import json
from datetime import UTC, datetime

from hack import estate
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.manifests import pod

INSIDE = "brest-1"
"""A node that secnumcloud accepts."""


def restore_estate(kubectl: Kubectl) -> None:
    """Restore services and datacentres, and wait until the operator has judged them."""
    # Where the chart installs no signer, there is none to scale.
    installed = {found["metadata"]["name"] for found in kubectl.list("deployments", NAMESPACE)}
    scaled = sorted(installed & {"sovereign-controller", "sovereign-signer"})
    kubectl.run("-n", NAMESPACE, "scale", "deployment", *scaled, "--replicas=2")
    kubectl.apply(
        *estate.services(datetime.now(UTC).date()),
        *estate.datacentres(kubectl),
        options=["--server-side", "--force-conflicts"],
    )
    eventually(
        lambda: (
            host_names(kubectl, "secnumcloud") == list(estate.ACCEPTED) and labelled(kubectl) == set(estate.ACCEPTED)
        ),
        what="the estate's verdicts",
    )


def until_in_force(kubectl: Kubectl, policy: str) -> None:
    """Wait until a new policy accepts nodes, and the guards know it: the API server tells them of it a moment later."""
    eventually(lambda: host_names(kubectl, policy) == list(estate.ACCEPTED), what="nodes that may host it")
    asked = json.dumps(pod("asks", labels={"sovereignty.dev/policy": policy}))
    words = ("create", "--dry-run=server", "-f", "-")
    eventually(lambda: "does not exist" not in kubectl.attempt(*words, stdin=asked).stderr, what=f"policy {policy}")


def host_names(kubectl: Kubectl, policy: str) -> list[str]:
    """Return the nodes that a policy's host role lists."""
    rules = kubectl.get("clusterrole", f"sovereignty:host:{policy}")["rules"]
    return sorted(name for rule in rules if rule["resources"] == ["nodes"] for name in rule.get("resourceNames", ()))


def labelled(kubectl: Kubectl, policy: str = "secnumcloud") -> set[str]:
    """Return the nodes that carry a policy's label."""
    selector = f"policy.sovereignty.node-restriction.kubernetes.io/{policy}=accepted"
    return {node["metadata"]["name"] for node in kubectl.list("nodes", selector=selector)}


def set_status(admin: Kubectl, service: str, status: str) -> None:
    """Set the status of a service's first qualification."""
    set_qualification(admin, service, "status", status)


def set_qualification(admin: Kubectl, service: str, field: str, value: str) -> None:
    """Set a field of a service's first qualification."""
    patch = [{"op": "replace", "path": f"/spec/qualifications/0/{field}", "value": value}]
    admin.run("patch", "cloudservice", service, "--type=json", "-p", json.dumps(patch))
