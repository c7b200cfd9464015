"""A policy that encrypts, and pods under it, for the duration of a benchmark."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from hack import estate
from hack.bench import peers
from hack.cluster import Cluster
from hack.images import public
from hack.install import find
from hack.kubectl import Json, Kubectl, eventually


def prepared(name: str) -> tuple[Cluster, Kubectl]:
    """Add the example services and datacentres, and the pods' image, to a cluster with the operator; return it."""
    cluster = find(name)
    admin = Kubectl(cluster.kubeconfig)
    admin.apply(*estate.services(datetime.now(UTC).date()), *estate.datacentres(admin))
    cluster.load_image(public.archive(peers.IMAGE))
    return cluster, admin


@contextmanager
def policy(cluster: Cluster, admin: Kubectl, name: str) -> Iterator[str]:
    """Create a policy with the demands of the preset and mode Strict; delete it at the end."""
    strict = {"mode": "Strict", "clusterNetworks": [estate.network(cluster)]}
    admin.create(estate.policy(admin, name, encryptionInTransit=strict))
    try:
        accepted = len(estate.ACCEPTED)
        eventually(
            lambda: admin.get("sovereigntypolicy", name)["status"]["nodes"] == accepted, what=f"{accepted} nodes"
        )
        yield name
    finally:
        admin.delete("sovereigntypolicy", name)


def pod(name: str, node: str, command: Sequence[str]) -> Json:
    """Return a pod on a node, without privileges that a pod with a sidecar must not have."""
    context = {"runAsUser": 1000, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "app",
        "image": peers.IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "securityContext": context,
    }
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
