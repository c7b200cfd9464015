"""A large cluster that is mostly fake: its objects."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from hack.kubectl import Json
from hack.kwok import FAKE
from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.clock import ServerClock

SITES: Final = 20
SERVICES: Final = SITES // 2
REFUSED: Final = SERVICES - 1
"""The number of the one service that is not qualified."""
NAMESPACES: Final = 20
IMAGES: Final = 50
"""Images on each node: the most that a kubelet reports by default."""
VERSION: Final = resource.OURS[CLOUD_SERVICE.plural].api_version


@dataclass(frozen=True)
class Size:
    """How many objects there are of each kind."""

    nodes: int
    policies: int
    workloads: int
    pods: int


def node(number: int) -> Json:
    """Return a node of about 15 kB, the size of a cloud's node after some weeks."""
    name = node_name(number)
    labels = {FAKE: "true", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    labels |= {f"feature.node.example.org/cpu-{index}": "true" for index in range(20)}
    annotations = {f"note.example.org/{index}": f"{name}-{index}" * 4 for index in range(10)}
    images = [
        {
            "names": [
                f"registry.example.org/team-{index}/application@sha256:{index:064x}",
                f"registry.example.org/team-{index}/application:v1.{index}.0",
            ],
            "sizeBytes": 100_000_000 + index,
        }
        for index in range(IMAGES)
    ]
    room = {"cpu": "32", "memory": "128Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "status": {"allocatable": room, "capacity": room, "images": images},
    }


def node_name(number: int) -> str:
    """Return the name of a node."""
    return f"fake-{number}"


def service_name(number: int) -> str:
    """Return the name of a CloudService; the one with number ``REFUSED`` is not qualified."""
    return f"bench-{number}"


def policy_name(number: int) -> str:
    """Return the name of a policy."""
    return f"bench-{number}"


def namespace_name(number: int) -> str:
    """Return the name of a namespace."""
    return f"bench-{number}"


def service(number: int, status: str = "Qualified") -> Json:
    """Return a CloudService; those with even numbers are also certified for health data."""
    today = ServerClock().now().date()
    dates = {"validFrom": str(today - timedelta(days=100)), "validUntil": str(today + timedelta(days=500 + number))}
    held = [("SecNumCloud", "3.2")] * (number != REFUSED) + [("HDS", "2")] * (number % 2 == 0)
    decisions = [
        {"id": scheme.lower(), "scheme": scheme, "version": version, "decision": "EX-1", "status": status} | dates
        for scheme, version in held
    ]
    spec = {"provider": "Example", "service": f"S{number}", "foreignLaws": [], "qualifications": decisions}
    return _ours(CLOUD_SERVICE.name, service_name(number), spec)


def datacentre(number: int, uids: dict[str, str]) -> Json:
    """Return a Datacentre that holds every ``SITES``-th of these nodes (uids by name)."""
    stand = [{"name": name, "uid": uids[name]} for name in sorted(uids)[number::SITES]]
    spec = {"serviceRef": {"name": service_name(number // 2)}, "country": "FR", "nodes": stand}
    return _ours(DATACENTRE.name, f"bench-{number}", spec)


def policy(number: int) -> Json:
    """Return a policy; those with odd numbers also demand certification for health data."""
    demands = [{"scheme": "SecNumCloud", "minimumVersion": "3.2"}] + [{"scheme": "HDS"}] * (number % 2)
    spec = {"countries": ["FR"], "qualifications": demands, "acceptedForeignLaws": []}
    return _ours(SOVEREIGNTY_POLICY.name, policy_name(number), spec)


def namespace(number: int, size: Size) -> Json:
    """Return a namespace; those with even numbers are in the scope of a policy."""
    labels = {"sovereignty.dev/enforce": policy_name(number % size.policies)} if number % 2 == 0 else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace_name(number), "labels": labels}}


def deployment(number: int, size: Size) -> Json:
    """Return a Deployment for fake nodes."""
    labels = {"app": f"app-{number}"}
    container = {"name": "app", "image": "registry.example.org/application"}
    spec: dict[str, Any] = {"nodeSelector": {FAKE: "true"}, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{number}", "namespace": namespace_name(number % NAMESPACES)},
        "spec": {
            "replicas": size.pods // size.workloads,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def sovereign_workload(number: int, size: Size) -> Json:
    """Return the SovereignWorkload of a Deployment."""
    spec = {
        "workloadRef": {"kind": "Deployment", "name": f"app-{number}"},
        "policyRef": {"name": policy_name(number % NAMESPACES % size.policies)},
    }
    made = _ours(SOVEREIGN_WORKLOAD.name, f"app-{number}", spec)
    return made | {"metadata": {"name": f"app-{number}", "namespace": namespace_name(number % NAMESPACES)}}


def _ours(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
