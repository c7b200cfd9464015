"""Example infrastructure: four nodes in four datacentres of four services, for the demo and the tests.

Providers, services and decisions are invented, so that nothing depends on the dates of real ones, and
nothing false is claimed of them. The nodes' labels and provider ids have the form that real clouds use.
"""

from datetime import date, timedelta
from typing import Any, Final

from hack.cluster import Cluster, NodeSpec
from hack.kubectl import Json, Kubectl

REGION: Final = "topology.kubernetes.io/region"
ZONE: Final = "topology.kubernetes.io/zone"

NODES: Final = (
    NodeSpec("brest-1", {REGION: "armor-brest-snc", ZONE: "nova"}, "openstack:///6f3c5e52-7a5e-4c5c-9d55-0a6a3b1f7b11"),
    NodeSpec("lyon-1", {REGION: "hexa-gouv-1", ZONE: "hexa-gouv-1a"}, "aws:///hexa-gouv-1a/i-5a1bc7e2"),
    NodeSpec("nantes-1", {REGION: "NTE5", ZONE: "nova"}, "openstack:///0b0d8a4e-31a0-4ab5-8f0c-b6a7d2ff0a52"),
    NodeSpec("paris-1", {REGION: "glx-west-3", ZONE: "glx-west-3a"}, "aws:///glx-west-3a/i-0e4f1c9d"),
)

DATACENTRES: Final = {
    "brest": ("armor-snc", "Brest", "brest-1"),
    "lyon": ("hexa-gouv", "Lyon", "lyon-1"),
    "nantes": ("armor-public", "Nantes", "nantes-1"),
    "paris": ("globex-west", "Paris", "paris-1"),
}

ACCEPTED: Final = ("brest-1", "lyon-1")
"""The nodes that the preset policy secnumcloud accepts."""
REFUSED: Final = ("nantes-1", "paris-1")


def services(today: date) -> list[Json]:
    """Return the CloudServices, with decisions that are in force on this day."""
    begun, ends = today - timedelta(days=400), today + timedelta(days=600)
    return [
        _service(
            "armor-snc",
            provider="Armor Cloud",
            service="SNC Platform",
            countries=["FR"],
            technologyOrigin="EU",
            foreignLaws=[],
            nodeForm={"regions": ["armor-brest-snc"], "providerIDs": ["openstack:///"]},
            qualifications=[
                _qualification("SecNumCloud", "3.2", "EX-101", begun, ends),
                _qualification("HDS", "2", "EX-102", begun, ends),
            ],
        ),
        _service(
            "hexa-gouv",
            provider="Hexa",
            service="Cloud Gouv",
            countries=["FR"],
            technologyOrigin="LicensedNonEU",
            foreignLaws=[],
            nodeForm={"regions": ["hexa-gouv-1"], "providerIDs": ["aws:///hexa-gouv-1"]},
            qualifications=[_qualification("SecNumCloud", "3.2", "EX-201", begun, ends)],
        ),
        _service(
            "armor-public",
            provider="Armor Cloud",
            service="Public Cloud",
            countries=["FR"],
            technologyOrigin="EU",
            foreignLaws=[],
            nodeForm={"regions": ["NTE5"], "zones": ["nova"]},
        ),
        _service(
            "globex-west",
            provider="Globex",
            service="West Europe",
            countries=["FR"],
            technologyOrigin="NonEU",
            foreignLaws=["US"],
            nodeForm={"regions": ["glx-west-3"]},
            qualifications=[_qualification("HDS", "2", "EX-301", begun, ends)],
        ),
    ]


def datacentres(kubectl: Kubectl) -> list[Json]:
    """Return the Datacentres, which name the cluster's nodes by their uids."""
    uids = {node["metadata"]["name"]: node["metadata"]["uid"] for node in kubectl.list("nodes")}
    return [
        {
            "apiVersion": "sovereignty.dev/v1alpha1",
            "kind": "Datacentre",
            "metadata": {"name": name},
            "spec": {
                "serviceRef": {"name": service},
                "country": "FR",
                "city": city,
                "nodes": [{"name": node, "uid": uids[node]}],
            },
        }
        for name, (service, city, node) in DATACENTRES.items()
    ]


def policy(kubectl: Kubectl, name: str, **spec: Any) -> Json:
    """Return a policy with the demands of the preset secnumcloud, and these further fields."""
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereigntyPolicy",
        "metadata": {"name": name},
        "spec": kubectl.get("sovereigntypolicy", "secnumcloud")["spec"] | spec,
    }


IPV6_NETWORK = "fd73:6f76::/32"
"""A network that contains the IPv6 addresses of all dual-stack clusters, as CIDR."""


def network(cluster: Cluster) -> str:
    """Return a network that contains the addresses of a cluster's nodes, pods and Services, as CIDR."""
    block = ".".join(str(cluster.machine).split(".")[:2])
    return f"{block}.0.0/16"


def _service(name: str, **spec: Any) -> Json:
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "CloudService",
        "metadata": {"name": name},
        "spec": spec,
    }


def _qualification(scheme: str, version: str, decision: str, begun: date, ends: date) -> Json:
    return {
        "id": scheme.lower(),
        "scheme": scheme,
        "version": version,
        "status": "Qualified",
        "decision": decision,
        "validFrom": begun.isoformat(),
        "validUntil": ends.isoformat(),
    }
