"""Certificate requests as a kubelet makes them, answered by our signer or by a client that decides nothing."""

import asyncio
import base64
import itertools
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from hack.kubectl import Json
from hack.signer_requests import pkcs10
from sovereign_operator.core import names
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.kube.client.api import MERGE, Api
from sovereign_operator.kube.client.errors import RefusedError
from sovereign_operator.kube.client.resource import CERTIFICATE_REQUESTS, NAMESPACES
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.pki import leaf
from sovereign_operator.pki.authority import Authority
from sovereign_operator.signer.fair_share import BURST, RATE

AT_A_TIME: Final = 16
"""As many as one signer handles at a time."""
PATCHED: Final = "bench.example.org/patched"
"""A signer's name that our signer and the guard ignore."""
TRUST_DOMAIN: Final = "bench.example.org"
DAY: Final = timedelta(days=1)
QUICK_SECONDS: Final = 1.0
"""Well below the time after which another replica handles a request."""
PROBES: Final = 8
PATIENCE_SECONDS: Final = 120


@dataclass(frozen=True)
class Prepared:
    """A request with a key made in advance, and the status with which the client answers it."""

    name: str
    spec: Json
    status: Json


@dataclass(frozen=True)
class Batch:
    """The results of a batch."""

    rate: float
    latencies: list[float]
    busy: float
    """The share of one CPU that this program used meanwhile."""


async def timed(works: Sequence[Awaitable[float]], width: int = AT_A_TIME) -> Batch:
    """Await works, ``width`` at a time; each returns its own seconds."""
    gate = asyncio.Semaphore(width)

    async def one(work: Awaitable[float]) -> float:
        async with gate:
            return await work

    begun, used = time.perf_counter(), time.process_time()
    async with asyncio.timeout(PATIENCE_SECONDS):
        latencies = await asyncio.gather(*map(one, works))
    seconds = time.perf_counter() - begun
    return Batch(len(latencies) / seconds, latencies, (time.process_time() - used) / seconds)


class Asking:
    """Creates requests for pods in one namespace, and watches when each is issued."""

    def __init__(self, api: Api, namespace: str, pods: Sequence[Json]) -> None:
        self._api = api
        self._namespace = namespace
        self._pods = pods
        """The spec of a request for each pod, without signer and key."""
        self._numbers = itertools.count()
        self.issued = 0
        """How many certificates our signers have issued; none has expired yet."""
        self._issued: dict[str, asyncio.Future[float]] = {}
        self._answers: dict[str, Json] = {}
        self._patching: set[asyncio.Task[float]] = set()
        self._asked = asyncio.get_running_loop().time()
        self._requests: Mirror[bool] = Mirror(api, CERTIFICATE_REQUESTS, _is_issued, self._changed, namespace=namespace)
        self._watching = asyncio.create_task(self._requests.run())
        now = api.clock.now()
        self._authority = Authority.make(
            "bench", "bench", trust_domain=TRUST_DOMAIN, number="1", not_before=now - DAY, not_after=now + 3 * DAY
        )

    async def ready(self) -> None:
        """Wait until requests are watched, and until the deleted guard, which still acts for a moment, admits them."""
        await self._requests.synced.wait()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    await self.ask(self.prepare(1)[0])
                except RefusedError:
                    await asyncio.sleep(0.2)
                else:
                    return

    def close(self) -> None:
        """Stop watching."""
        self._watching.cancel()

    def prepare(self, count: int, signer: str = names.SIGNER) -> list[Prepared]:
        """Prepare ``count`` requests with their keys and answers, for one pod after the other."""
        return [self._prepare(pod, signer) for pod in itertools.islice(itertools.cycle(self._pods), count)]

    def _prepare(self, pod: Json, signer: str) -> Prepared:
        key = ec.generate_private_key(ec.SECP256R1())
        encoded = base64.b64encode(pkcs10(key)).decode()
        number = next(self._numbers)
        begin = self._api.clock.now().replace(microsecond=0) - timedelta(minutes=1)
        chain = leaf.issue(
            self._authority,
            key.public_key(),
            f"spiffe://{TRUST_DOMAIN}/ns/{self._namespace}/sa/default",
            serial=number + 1,
            not_before=begin,
            not_after=begin + DAY,
        )
        condition = {"type": "Issued", "status": "True", "reason": "Issued", "lastTransitionTime": timestamp(begin)}
        status = {
            "conditions": [condition | {"message": "by a client that decides nothing, in about as many words as ours"}],
            "certificateChain": chain.decode(),
            "notBefore": timestamp(begin),
            "notAfter": timestamp(begin + DAY),
            "beginRefreshAt": timestamp(begin + DAY * 2 / 3),
        }
        return Prepared(f"bench-{number}", pod | {"signerName": signer, "stubPKCS10Request": encoded}, status)

    async def ask(self, request: Prepared) -> float:
        """Create a request, and return the seconds until the watch shows that it is issued."""
        issued: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._issued[request.name] = issued
        if request.spec["signerName"] == PATCHED:
            self._answers[request.name] = request.status
        begun = time.perf_counter()
        await self.create(request)
        seconds = await issued - begun
        self.issued += request.spec["signerName"] == names.SIGNER
        return seconds

    async def create(self, request: Prepared) -> float:
        """Create a request, and return the seconds that it took."""
        begun = time.perf_counter()
        metadata = {"name": request.name}
        body = {"apiVersion": CERTIFICATE_REQUESTS.api_version, "kind": "PodCertificateRequest", "metadata": metadata}
        self._asked = asyncio.get_running_loop().time()
        await self._api.create(CERTIFICATE_REQUESTS, body | {"spec": request.spec}, self._namespace)
        return time.perf_counter() - begun

    async def patch(self, name: str, status: Json) -> float:
        """Answer a request, and return the seconds that it took."""
        begun = time.perf_counter()
        await self._api.patch(
            CERTIFICATE_REQUESTS,
            name,
            {"status": status},
            content_type=MERGE,
            namespace=self._namespace,
            subresource="status",
        )
        return time.perf_counter() - begun

    async def settle(self, width: int = AT_A_TIME) -> None:
        """Wait until each node has its whole budget and all signers answer; open ``width`` connections."""
        full = self._asked + BURST / RATE
        quick = 0
        while quick < PROBES or asyncio.get_running_loop().time() < full:
            (probe,) = (await timed([self.ask(self.prepare(1)[0])])).latencies
            quick = quick + 1 if probe < QUICK_SECONDS else 0
            await asyncio.sleep(0.25)
        await asyncio.gather(*(self._api.get(NAMESPACES, self._namespace) for _ in range(width)))

    def _changed(self, key: ObjectKey, old: bool | None, new: bool | None) -> None:  # noqa: FBT001 - as a mirror calls it
        _, name = key
        if new and (issued := self._issued.pop(name, None)):
            issued.set_result(time.perf_counter())
        elif old is None and name in self._answers:
            task = asyncio.create_task(self.patch(name, self._answers.pop(name)))
            self._patching.add(task)
            task.add_done_callback(self._patching.discard)


def _is_issued(obj: Json) -> bool:
    return "certificateChain" in obj.get("status", {})
