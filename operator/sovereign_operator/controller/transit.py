"""How far a policy's encryption has come: gather what sidecars say, decide on the next step, and tell them."""

import logging
from collections.abc import Iterator
from ipaddress import ip_network

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.controller.keys import Cluster, Encryption
from sovereign_operator.controller.told import MODE, Told, version_of
from sovereign_operator.controller.traffic import HURRIED_SECONDS, Traffic
from sovereign_operator.controller.world import World
from sovereign_operator.core import names
from sovereign_operator.core.sidecar import LISTENERS, transit_config_map
from sovereign_operator.core.steps import LADDER, EncryptionSeen, PodTraffic, StepFacts, decide
from sovereign_operator.core.transit import Destination, inbound, outbound
from sovereign_operator.dataplane.listeners import discovery
from sovereign_operator.kube import resource
from sovereign_operator.kube.api import Api, Json
from sovereign_operator.kube.errors import ConflictError, NotFoundError
from sovereign_operator.kube.seen import PodSeen

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0
"""Nobody tells us when the addresses of the API server or of DNS change."""

API_SERVER = ("default", "kubernetes")


async def keep_encryption(world: World, key: Encryption) -> float | None:
    """Take the next step of a policy's encryption, if there is one, and tell its sidecars."""
    policy = world.object(SOVEREIGNTY_POLICY.plural, key.policy)
    spec = world.facts().policies.get(key.policy)
    if policy is None or spec is None or world.traffic is None or world.dns is None:
        # Sidecars that run go on as they were told last.
        world.encryption.pop(key.policy, None)
        return None
    if spec.encryption_in_transit is None and not world.told_of(key.policy):
        return None
    facts = _gather(world, world.traffic, key.policy, spec.encryption_in_transit or EncryptionInTransit())
    step = decide(facts)
    now = facts.wanted.model_copy(update={"mode": step.mode})
    listeners = discovery(outbound(now, await _always_plain(world.api, world.dns)), inbound(now))
    for namespace in sorted({pod.namespace for pod in world.pods() if pod.transit == key.policy and not pod.ended}):
        await _tell(world, policy, namespace, Told(key.policy, step.mode, listeners))
    if step.mode is not facts.current:
        logger.info("policy %s: encryption goes from %s to %s", key.policy, facts.current, step.mode)
    loaded = sum(pod.loaded == version_of(listeners) for pod in facts.pods)
    seen = EncryptionSeen(step, facts.wanted.mode, len(facts.pods), sum(pod.sidecar for pod in facts.pods), loaded)
    if world.encryption.get(key.policy) != seen:
        world.encryption[key.policy] = seen
        world.queue.add(Cluster())
    if step.waits_for or loaded < len(facts.pods):
        world.traffic.hurried.add(key.policy)
        return HURRIED_SECONDS
    world.traffic.hurried.discard(key.policy)
    return RESYNC_SECONDS


def _gather(world: World, traffic: Traffic, policy: str, wanted: EncryptionInTransit) -> StepFacts:
    told = world.told_of(policy)
    # A step that was taken in some namespaces only is taken again.
    current = min((found.encryption_mode for found in told), key=LADDER.index, default=EncryptionMode.OFF)
    version = next((found.version for found in told if found.encryption_mode is current), "")
    now = world.api.clock.now()
    since = world.watched_since.get(policy)
    if since is None or since[0] is not current:
        since = world.watched_since[policy] = current, now
    pods = tuple(
        _traffic(traffic, pod)
        for pod in world.pods()
        if pod.address and not pod.ended and world.policy_of(pod) == policy
    )
    return StepFacts(wanted, current, version, since[1], pods, now)


def _traffic(traffic: Traffic, pod: PodSeen) -> PodTraffic:
    said = traffic.said(pod.pod.uid)
    return PodTraffic(
        name=f"{pod.namespace}/{pod.pod.name}",
        address=pod.address,
        sidecar=bool(pod.transit),
        loaded=said.loaded,
        plain_open=said.plain_open,
        plain_seen=said.plain_seen,
    )


async def _tell(world: World, policy: Json, namespace: str, told: Told) -> None:
    """Write what the sidecars of a namespace are to do, unless it says so already."""
    if world.told(namespace, told.policy) == told:
        return
    owner = {key: policy[key] for key in ("apiVersion", "kind")}
    owner |= {key: policy["metadata"][key] for key in ("name", "uid")}
    metadata = {
        "name": transit_config_map(told.policy),
        "namespace": namespace,
        "labels": {names.TRANSIT_LABEL: told.policy},
        "ownerReferences": [owner],
    }
    data = {MODE: told.mode, LISTENERS: told.listeners}
    try:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        await world.api.apply(resource.CONFIG_MAPS, body)
    except (ConflictError, NotFoundError):
        # The namespace is gone or going.
        return


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
