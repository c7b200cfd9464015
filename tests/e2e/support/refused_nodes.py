"""A node that is refused, and keeps the label of policy ``secnumcloud`` for a pod that runs there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.estate import host_names, labelled, set_status
from tests.e2e.support.manifests import pod
from tests.e2e.support.sidecars import dry_run

KEPT, OTHER = "lyon-1", "brest-1"
HOST = names.node_host_label("secnumcloud")


@contextmanager
def cordoned(admin: Kubectl, *nodes: str) -> Iterator[None]:
    """Cordon nodes for a while."""
    with ExitStack() as stack:
        for node in nodes:
            admin.run("cordon", node)
            stack.callback(admin.run, "uncordon", node)
        yield


def prefers(node: str) -> Json:
    """Return the affinity of a pod that prefers a node above all."""
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    preferred = [{"weight": 100, "preference": {"matchExpressions": [term]}}]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


def verbs(admin: Kubectl) -> list[str]:
    """Return what the policy's role grants on the policy itself."""
    rules = admin.get("clusterrole", names.host_role("secnumcloud"))["rules"]
    return next(list(rule["verbs"]) for rule in rules if rule["resources"] == ["sovereigntypolicies"])


def occupy(admin: Kubectl, namespace: str, node: str) -> str:
    """Run a pod on a node, and return its uid."""
    with cordoned(admin, *({OTHER, KEPT} - {node})):
        admin.create(pod(f"stays-on-{node}"), namespace)
        admin.run("-n", namespace, "wait", f"pod/stays-on-{node}", "--for=condition=Ready", "--timeout=60s")
    return str(admin.get("pod", f"stays-on-{node}", namespace)["metadata"]["uid"])


def suspend_kept(admin: Kubectl) -> None:
    """Suspend the service of the node that keeps its label, and wait until new pods avoid the node."""
    set_status(admin, "hexa-gouv", "Suspended")
    eventually(lambda: host_names(admin, "secnumcloud") == [OTHER], what=f"the role without {KEPT}")
    eventually(lambda: "avoid" in verbs(admin), what="a role that has new pods avoid it")
    eventually(lambda: HOST not in admin.get("node", KEPT)["metadata"]["labels"], what="the label for new pods gone")
    assert KEPT in labelled(admin)
    asks = pod("asks", labels={names.POLICY_LABEL: "secnumcloud"})
    # An injector, which places pods before Kubernetes 1.36, asks for the role once a second.
    eventually(
        lambda: "topologySpreadConstraints" in dry_run(admin, asks, "default")["spec"], what="pods that avoid it"
    )
