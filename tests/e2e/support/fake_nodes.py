"""Simulated nodes beside those of the tests' cluster, where any number of pods run without a container."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hack import estate
from hack.cluster import Cluster
from hack.estate import REGION, ZONE
from hack.kubectl import Json, Kubectl, eventually
from hack.kwok import ENDLESS, FAKE, kubelets
from tests.e2e.support.estate import host_names, labelled, restore_estate

INSIDE: Final = ("fake-brest-1", "fake-brest-2", "fake-brest-3")
"""Nodes that secnumcloud accepts."""
DEDICATED: Final = "fake-brest-batch"
"""Another one, with the taint and the label dedicated=batch."""
OUTSIDE: Final = ("fake-paris-1", "fake-paris-2", "fake-paris-3")
"""Nodes that it refuses."""
UNDECLARED: Final = "fake-unknown-1"
"""A node in no datacentre."""
BREST, PARIS = "armor-brest-snc", "glx-west-3"
"""The regions of these nodes."""
SITES: Final = {"fake-brest": ("armor-snc", (*INSIDE, DEDICATED)), "fake-paris": ("globex-west", OUTSIDE)}
"""By datacentre, its service and its nodes."""
ROOM: Final = {"cpu": "200", "memory": "1Ti", "ephemeral-storage": "1Ti", "pods": "500"}


@contextmanager
def fake_nodes(admin: Kubectl, cluster: Cluster, log: Path) -> Iterator[None]:
    """Have pods run on simulated nodes alone, but for those of DaemonSets, which also run on the others."""
    real = [spec.name for spec in estate.NODES]
    with kubelets(cluster, log, ENDLESS):
        try:
            admin.run("cordon", *real)
            made = (*INSIDE, DEDICATED, *OUTSIDE, UNDECLARED)
            admin.apply(*(_node(name) for name in made))
            uids = {one["metadata"]["name"]: one["metadata"]["uid"] for one in admin.list("nodes")}
            admin.apply(*(_site(name, uids) for name in SITES))
            eventually(lambda: _are_judged(admin) and all(_is_ready(admin, name) for name in made), what="fake nodes")
            yield
        finally:
            admin.delete("datacentres", *SITES)
            admin.delete("nodes", "-l", FAKE)
            admin.run("uncordon", *real)
            restore_estate(admin)


def _node(name: str) -> Json:
    region = BREST if "brest" in name else PARIS
    labels = {FAKE: "true", "kubernetes.io/hostname": name, REGION: region, ZONE: f"{region}-a"}
    labels |= {f"{prefix}kubernetes.io/{key}": value for prefix in ("", "beta.") for key, value in SYSTEM.items()}
    spec: Json = {"providerID": f"openstack:///{name}" if region == BREST else f"aws:///{region}/{name}"}
    if name == DEDICATED:
        labels |= {"dedicated": "batch"}
        spec |= {"taints": [{"key": "dedicated", "value": "batch", "effect": "NoSchedule"}]}
    status = {"allocatable": ROOM, "capacity": ROOM}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": status,
    }


SYSTEM: Final = {"os": "linux", "arch": "amd64"}


def _site(name: str, uids: dict[str, str]) -> Json:
    service, stand = SITES[name]
    nodes = [{"name": node, "uid": uids[node]} for node in stand]
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "Datacentre",
        "metadata": {"name": name},
        "spec": {"serviceRef": {"name": service}, "country": "FR", "nodes": nodes},
    }


def _are_judged(admin: Kubectl) -> bool:
    accepted = {*estate.ACCEPTED, *INSIDE, DEDICATED}
    return {*host_names(admin, "secnumcloud")} == accepted == labelled(admin)


def _is_ready(admin: Kubectl, name: str) -> bool:
    node = admin.get("node", name)
    taints = {taint["key"] for taint in node["spec"].get("taints", ())}
    conditions = {entry["type"]: entry["status"] for entry in node["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "node.kubernetes.io/not-ready" not in taints
