"""The requests that wait for an answer: at most a fixed number is kept, however many a kubelet creates.

A request without a place is not lost: the node's requests are read again once places are free. The node with the most
requests gives up places first, and of its pods the one with the most. So a flood delays only the node that causes it.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sovereign_operator.aio.tasks import keep_running
from sovereign_operator.core import names
from sovereign_operator.core.identity.request import Request
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import ApiError
from sovereign_operator.kube.client.resource import CERTIFICATE_REQUESTS, FOR_OUR_SIGNER
from sovereign_operator.kube.mirror import Mirror, ObjectKey, key_of
from sovereign_operator.signer import metrics

logger = logging.getLogger(__name__)

PLACES: Final = 10_000
"""The most requests that are kept. One takes 1 KiB, at most 8 KiB."""
PLACES_OF_NODE: Final = 500
"""The most requests of one node: several for each pod that it can have."""
LONGEST_STUB: Final = 4096
"""Characters of a PKCS#10 request. With the largest key that is allowed, it has some 1,600."""
MOST_ANNOTATIONS: Final = 3
"""How many unknown annotation keys are kept to be named; one is enough for a denial."""
CHECK_SECONDS: Final = 1.0
"""How often to check whether places are free for the requests of crowded nodes."""


@dataclass(frozen=True, slots=True)
class ObservedRequest:
    """A PodCertificateRequest for our signer that has no answer yet."""

    request: Request
    stub: str
    """The PKCS#10 request with the public key: base64 of DER. Empty if it is missing or too long."""
    created: datetime
    version: str


class WaitingRequests(Mirror[ObservedRequest]):
    """The requests that have a place."""

    def __init__(
        self, api: Api, changed: Callable[[ObjectKey, ObservedRequest | None, ObservedRequest | None], None]
    ) -> None:
        super().__init__(api, CERTIFICATE_REQUESTS, see_request, changed, field_selector=FOR_OUR_SIGNER, optional=True)
        self._places: dict[str, dict[str, dict[ObjectKey, None]]] = {}
        """By node, then by uid of the pod, the requests that have a place, in order of arrival."""
        self._taken: Counter[str] = Counter()
        """How many places each node has."""
        self._crowded: dict[str, int] = {}
        """How many requests of each node have no place, or lost theirs."""
        self._changed_meanwhile: set[ObjectKey] | None = None
        """The requests that changed while a node's are read again: what is read is older. None between reads."""

    async def run(self) -> None:
        """List and watch requests, and give free places to those that have none."""
        async with asyncio.TaskGroup() as group:
            group.create_task(super().run())
            group.create_task(keep_running("places for requests", self._give_places))

    def drop(self, key: ObjectKey, seen: ObservedRequest) -> None:
        """Drop a request that has changed. If it still waits, the watch brings it again."""
        if self.get(key) is seen:
            self._set(key, None)

    async def _list(self) -> str:
        """List requests, and keep page by page those that get a place: the whole list has no bound."""
        # A request that gets its place meanwhile is newer than this list, so it is not among the former ones.
        former, present, version = {*self}, set(), ""
        async for objects, version in self._api.pages(self._resource, *self._which):  # noqa: B007
            self.last_received = time.monotonic()
            for obj in objects:
                key = key_of(obj)
                self._set(key, self._see(obj))
                if key in self or key in self._unreadable.errors:
                    present.add(key)
        self._unreadable.keep(present)
        for key in former - present:
            self._set(key, None)
        self.synced.set()
        return version

    def _set(self, key: ObjectKey, value: ObservedRequest | None) -> None:
        if self._changed_meanwhile is not None:
            self._changed_meanwhile.add(key)
        old = self.get(key)
        super()._set(key, value)
        if old and value and old.request == value.request:
            return
        if old:
            self._leave(key, old.request)
        if value:
            self._enter(key, value.request)

    def _enter(self, key: ObjectKey, request: Request) -> None:
        self._places.setdefault(request.node, {}).setdefault(request.pod_uid, {})[key] = None
        self._taken[request.node] += 1
        if self._taken[request.node] > PLACES_OF_NODE:
            self._shed(request.node)
        elif len(self) > PLACES:
            self._shed(max(reversed(self._taken), key=self._taken.__getitem__))

    def _leave(self, key: ObjectKey, request: Request) -> None:
        pods = self._places[request.node]
        del pods[request.pod_uid][key]
        if not pods[request.pod_uid]:
            del pods[request.pod_uid]
        self._taken[request.node] -= 1
        if not pods:
            del self._places[request.node], self._taken[request.node]

    def _shed(self, node: str) -> None:
        """Drop the newest request of the node's pod that has the most."""
        pods = self._places[node]
        pod = max(reversed(pods), key=lambda pod: len(pods[pod]))
        self._set(next(reversed(pods[pod])), None)
        if node not in self._crowded:
            logger.warning(
                "node %s has more certificate requests than the signer keeps: the rest waits until these are answered",
                node,
                extra={"node": node},
            )
        self._crowded[node] = self._crowded.get(node, 0) + 1
        metrics.NODES_CROWDED.set(len(self._crowded))

    async def _give_places(self) -> None:
        while True:
            for node in [*self._crowded]:
                if self._has_room(node):
                    await self._read_again(node)
            await asyncio.sleep(CHECK_SECONDS)

    def _has_room(self, node: str) -> bool:
        """Whether enough places are free to make it worth reading all requests of a node."""
        return self._taken[node] <= PLACES_OF_NODE // 2 and len(self) <= PLACES * 9 // 10

    async def _read_again(self, node: str) -> None:
        """Give places to the requests of a node that have none, as long as places are free."""
        before = self._crowded[node]
        self._changed_meanwhile = set()
        try:
            selector = f"{FOR_OUR_SIGNER},spec.nodeName={node}"
            async for objects, _ in self._api.pages(self._resource, field_selector=selector):
                for obj in objects:
                    if key_of(obj) not in self and key_of(obj) not in self._changed_meanwhile:
                        self._set(key_of(obj), self._see(obj))
                if self._crowded[node] > before:
                    return
        except ApiError as error:
            logger.warning("the requests of node %s cannot be read again yet: %s", node, error)
            return
        finally:
            self._changed_meanwhile = None
        del self._crowded[node]
        metrics.NODES_CROWDED.set(len(self._crowded))


def see_request(obj: Json) -> ObservedRequest | None:
    """Keep the fields of a request that an answer needs. None if it is answered, or for another signer."""
    metadata, spec = obj["metadata"], obj["spec"]
    if spec["signerName"] != names.SIGNER or obj.get("status", {}).get("conditions"):
        return None
    annotations = sorted(spec.get("unverifiedUserAnnotations") or ())
    request = Request(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        pod=spec["podName"],
        pod_uid=spec["podUID"],
        service_account=spec["serviceAccountName"],
        service_account_uid=spec["serviceAccountUID"],
        node=spec["nodeName"],
        node_uid=spec["nodeUID"],
        longest=timedelta(seconds=spec["maxExpirationSeconds"]),
        user_annotations=tuple(annotations[:MOST_ANNOTATIONS]),
    )
    stub = spec.get("stubPKCS10Request") or ""
    created = datetime.fromisoformat(metadata["creationTimestamp"])
    return ObservedRequest(request, stub if len(stub) <= LONGEST_STUB else "", created, metadata["resourceVersion"])
