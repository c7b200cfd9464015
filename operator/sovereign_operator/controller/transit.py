"""What sidecars are told of a policy: one ConfigMap in each namespace where pods mount it."""

from collections.abc import Iterator
from ipaddress import ip_network

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit
from sovereign_operator.controller.keys import Transit
from sovereign_operator.controller.world import World
from sovereign_operator.core import names
from sovereign_operator.core.sidecar import LISTENERS, transit_config_map
from sovereign_operator.core.transit import Destination, inbound, outbound
from sovereign_operator.dataplane.listeners import discovery
from sovereign_operator.kube import resource
from sovereign_operator.kube.api import Api, Json
from sovereign_operator.kube.errors import ConflictError, NotFoundError

RESYNC_SECONDS = 600.0
"""Nobody tells us when the addresses of the API server or of DNS change."""

API_SERVER = ("default", "kubernetes")


async def tell_sidecars(world: World, key: Transit) -> float | None:
    """Write what the sidecars of a namespace are to do, unless it says so already."""
    policy = world.object(SOVEREIGNTY_POLICY.plural, key.policy)
    told = world.told(key.namespace, key.policy)
    if policy is None or "deletionTimestamp" in policy["metadata"] or world.dns is None:
        # Those that run go on as they were told last.
        return None
    spec = world.facts().policies.get(key.policy)
    if spec is None:
        return None
    wanted = spec.encryption_in_transit or EncryptionInTransit()
    plain = await _always_plain(world.api, world.dns)
    listeners = discovery(outbound(wanted, plain), inbound(wanted))
    if told is None or told.listeners != listeners:
        owner = {
            "apiVersion": policy["apiVersion"],
            "kind": policy["kind"],
            "name": key.policy,
            "uid": policy["metadata"]["uid"],
        }
        metadata = {
            "name": transit_config_map(key.policy),
            "namespace": key.namespace,
            "labels": {names.TRANSIT_LABEL: key.policy},
            "ownerReferences": [owner],
        }
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {LISTENERS: listeners}}
        try:
            await world.api.apply(resource.CONFIG_MAPS, body)
        except (ConflictError, NotFoundError):
            # The namespace is gone or going.
            return None
    return RESYNC_SECONDS


async def _always_plain(api: Api, dns: tuple[str, str]) -> list[Destination]:
    """Return where plaintext is always sent: to the API server, which has TLS of its own, and for DNS."""
    found: list[Destination] = []
    for namespace, name in (API_SERVER, dns):
        service = await api.lasting(resource.SERVICES, name, namespace)
        found += _destinations(service["spec"]) if service else ()
    return found


def _destinations(spec: Json) -> Iterator[Destination]:
    ports = tuple(sorted({port["port"] for port in spec.get("ports", ()) if port.get("protocol", "TCP") == "TCP"}))
    for address in spec.get("clusterIPs") or ():
        if address != "None":
            yield Destination(ip_network(address), ports)
