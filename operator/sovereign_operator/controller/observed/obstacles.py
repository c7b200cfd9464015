"""What stands in the way of a policy's encryption beside its pods: NetworkPolicies, and calls of the API server."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.controller.observed.services import API_SERVER
from sovereign_operator.core.encryption.api_server import (
    Call,
    Targets,
    add_targets,
    addresses_of,
    called_pods,
    calls_of,
    of_service,
)
from sovereign_operator.core.encryption.needed_connections import ASKS, POLLED
from sovereign_operator.core.kubernetes.network_policy import (
    Connection,
    Peer,
    Stance,
    closing,
    entries_in,
    stance,
)
from sovereign_operator.core.names import COMPONENT_LABEL
from sovereign_operator.core.report.conditions import examples
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.pod import ObservedPod

FRESH_SECONDS: Final = 30.0
"""How long an answer of the API server counts. While a step waits, it is decided again every two seconds."""

MOST_OBJECTS: Final = 500
"""How many NetworkPolicies of a namespace, or EndpointSlices of a Service, are looked at."""
MOST_ENTRIES: Final = 1_000
"""How many entries of a namespace's NetworkPolicies are looked at: peers, ports, terms of selectors and the like."""
MOST_PODS: Final = 10
"""For how many pods of a namespace."""
MOST_NAMESPACES: Final = 10
"""Of how many namespaces."""

T = TypeVar("T")


@dataclass(frozen=True)
class OwnPods:
    """The operator's pods at the other end of a sidecar's connections, as NetworkPolicies see them."""

    controllers: tuple[Peer, ...] = ()
    """One of them polls."""
    signers: tuple[Peer, ...] = ()


@dataclass(frozen=True)
class Obstacle:
    """What stands in the way of one pod."""

    closed_by: str = ""
    """The NetworkPolicies that keep the controller from its sidecar; empty if none does."""
    cut_off_by: str = ""
    """Those that keep its sidecar from the signers; empty if none does, or if the sidecar does not ask them."""
    called: str = ""
    """On which ports the API server calls it, which Strict would refuse, and for what; empty if on none."""


class Obstacles:
    """What has the API server call Services, kept up to date; Services and NetworkPolicies, read when they matter."""

    def __init__(self, api: Api, changed: Callable[[], None]) -> None:
        self._api = api
        self._changed = changed
        self._read: dict[tuple[str, str, str], tuple[float, Any]] = {}
        """By what was read, namespace and name: when, and the answer."""
        self._callers: defaultdict[Call, set[str]] = defaultdict(set)
        """By call, what has the API server do it."""
        self.mirrors = tuple(
            Mirror(api, kind, partial(_see_calls, kind.kind), partial(self._take, kind.kind))
            for kind in resource.CALLERS
        )

    @property
    def known(self) -> bool:
        """Whether everything has been listed that has the API server call Services."""
        return all(mirror.synced.is_set() for mirror in self.mirrors)

    async def of(
        self,
        pods: Iterable[ObservedPod],
        unanswered: Iterable[ObservedPod],
        wanted: EncryptionInTransit,
        own: OwnPods,
    ) -> dict[str, Obstacle]:
        """Return the obstacles by uid of the pod. Raises ApiError.

        ``pods``: those of a policy. ``unanswered``: those of them whose sidecars do not answer; NetworkPolicies of ten
        namespaces are looked at.
        """
        called = await self._called(pods, wanted) if wanted.mode is EncryptionMode.STRICT else {}
        apart = await self._apart(unanswered, own)
        return {
            uid: replace(apart.get(uid, Obstacle()), called=called.get(uid, "")) for uid in called.keys() | apart.keys()
        }

    async def _apart(self, unanswered: Iterable[ObservedPod], own: OwnPods) -> dict[str, Obstacle]:
        by_namespace: defaultdict[str, list[ObservedPod]] = defaultdict(list)
        for pod in unanswered:
            by_namespace[pod.namespace].append(pod)
        found: dict[str, Obstacle] = {}
        for namespace in sorted(by_namespace)[:MOST_NAMESPACES] if own.controllers or own.signers else ():
            there = by_namespace[namespace]
            # The answer is about these pods: those of another policy in the namespace have one of their own.
            read = partial(self._apart_in, namespace, there, own)
            found |= await self._fresh("network policies", namespace, there[0].transit, read)
        return found

    async def _apart_in(self, namespace: str, pods: list[ObservedPod], own: OwnPods) -> dict[str, Obstacle]:
        """Return what NetworkPolicies keep from the first pods of a namespace, by uid of the pod.

        Nothing if its NetworkPolicies are too large to be looked at: one that is left out may be what admits the
        controller. None of them is kept.
        """
        stances: defaultdict[tuple[str, Connection, int], list[tuple[str, Stance]]] = defaultdict(list)
        left = MOST_ENTRIES
        needs = [
            (pod, needed, number, peer)
            for pod in sorted(pods, key=lambda pod: pod.pod.name)[:MOST_PODS]
            for needed, peers in ((POLLED, own.controllers), (ASKS, own.signers if _waits(pod) else ()))
            for number, peer in enumerate(peers)
        ]
        async for policy in self._some(resource.NETWORK_POLICIES, namespace):
            left -= entries_in(policy, left)
            if left < 0:
                return {}
            # What a user has written must not keep anything else waiting.
            await asyncio.sleep(0)
            for pod, needed, number, peer in needs:
                found = stance(policy, pod.labels, peer, needed)
                stances[pod.pod.uid, needed, number].append((policy["metadata"]["name"], found))
        names: defaultdict[tuple[str, Connection], set[str]] = defaultdict(set)
        for (uid, needed, _), known in stances.items():
            names[uid, needed].update(closing(known))
        walls = {key: f"NetworkPolicy {examples(sorted(found))}" for key, found in names.items() if found}
        return {
            uid: Obstacle(closed_by=walls.get((uid, POLLED), ""), cut_off_by=walls.get((uid, ASKS), ""))
            for uid in {uid for uid, _ in walls}
        }

    async def _called(self, pods: Iterable[ObservedPod], wanted: EncryptionInTransit) -> dict[str, str]:
        by_address = {(pod.namespace, address): pod.pod.uid for pod in pods for address in pod.addresses}
        namespaces = {namespace for namespace, _ in by_address}
        relevant = [call for call in sorted(self._callers) if call.namespace in namespaces]
        servers = await self._fresh("endpoints", *API_SERVER, self._api_servers) if relevant else frozenset()
        calls = {
            call: (
                self._callers[call],
                await self._fresh(f"calls of {call.port}", call.namespace, call.service, partial(self._targets, call)),
            )
            for call in relevant
        }
        return called_pods(wanted, by_address, calls, servers)

    async def _targets(self, call: Call) -> Targets:
        """Return where the calls of a Service arrive."""
        found: dict[str, frozenset[int]] = {}
        try:
            service = await self._api.get(resource.SERVICES, call.service, call.namespace)
        except NotFoundError:
            return found
        async for part in self._some(resource.ENDPOINT_SLICES, call.namespace, of_service(call.service)):
            add_targets(found, call, service, part)
        return found

    async def _api_servers(self) -> frozenset[str]:
        """Return the addresses of the API servers, as far as they have registered them."""
        namespace, service = API_SERVER
        slices = self._some(resource.ENDPOINT_SLICES, namespace, of_service(service))
        return frozenset([address async for part in slices for address in addresses_of(part)])

    async def _some(self, kind: resource.Resource, namespace: str, selector: str = "") -> AsyncIterator[Json]:
        """Yield the first objects of a namespace: a user may create any number."""
        left = MOST_OBJECTS
        async for page, _ in self._api.pages(kind, namespace, selector):
            for obj in page[:left]:
                yield obj
            left -= len(page)
            if left <= 0:
                return

    async def _fresh(self, what: str, namespace: str, name: str, read: Callable[[], Awaitable[T]]) -> T:
        """Return what was read within FRESH_SECONDS, or read it."""
        key, now = (what, namespace, name), time.monotonic()
        self._read = {other: kept for other, kept in self._read.items() if now - kept[0] < FRESH_SECONDS}
        if key not in self._read:
            self._read[key] = now, await read()
        found: T = self._read[key][1]
        return found

    def _take(self, kind: str, key: ObjectKey, old: frozenset[Call] | None, new: frozenset[Call] | None) -> None:
        caller = f"{kind} {key[1]}"
        for call in (old or frozenset()) - (new or frozenset()):
            self._callers[call].discard(caller)
            if not self._callers[call]:
                del self._callers[call]
        for call in new or ():
            self._callers[call].add(caller)
        self._changed()


def _waits(pod: ObservedPod) -> bool:
    """Whether a sidecar may wait for the signers: it asks them itself, and its pod is not ready."""
    return bool(pod.trust) and not pod.pod.ready


def _see_calls(kind: str, obj: Json) -> frozenset[Call] | None:
    return calls_of(kind, obj) or None


def own_pods(pods: Iterable[ObservedPod], namespace_labels: Mapping[str, str]) -> OwnPods:
    """Return the operator's pods as NetworkPolicies see them, given all pods of its namespace."""
    peers: dict[str, list[Peer]] = {"controller": [], "signer": []}
    for pod in pods:
        component = pod.labels.get(COMPONENT_LABEL, "")
        if component in peers and pod.addresses and not pod.ended:
            peers[component].append(Peer(pod.namespace, namespace_labels, pod.labels, pod.addresses))
    return OwnPods(tuple(peers["controller"]), tuple(peers["signer"]))
