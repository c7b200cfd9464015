"""Serves admission reviews over TLS: POST /inject.

For API servers without admission policies that write objects: POST /place/WAY and /stamp.

Any pod in the cluster can send one, as nothing distinguishes the API server from a pod. Hence the budgets for
connections, bytes, time and log lines. A client that sends what no API server sends gets no explanation.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sovereign_operator.core.report.reasons import line
from sovereign_operator.injector import metrics
from sovereign_operator.injector.admission_review import (
    Answer,
    Injected,
    MalformedError,
    Review,
    read,
    result_of,
    write,
)
from sovereign_operator.injector.budget import MemoryBudget
from sovereign_operator.injector.placement import Way, place, policy_to_place, stamp_requester
from sovereign_operator.injector.policy_view import PolicyView
from sovereign_operator.injector.review import decide_review, may_be_too_early, policy_of
from sovereign_operator.injector.settings import Settings
from sovereign_operator.runtime.connections import SECONDS
from sovereign_operator.runtime.listening import listening
from sovereign_operator.runtime.log_budget import LogBudget

logger = logging.getLogger(__name__)

LARGEST_BODY: Final = 4 * 1024**2
"""In bytes. etcd stores objects of up to 1.5 MiB. In JSON, the API server escapes some characters as six; a pod with a
megabyte of these is refused."""
SMALL_BODY: Final = 64 * 1024
"""In bytes. Hardly any pod has more. The limit on connections bounds their number, so they need no budget."""
READ_SECONDS: Final = 2.0
"""How long a body may take to arrive. Others may wait for its memory, and an API server waits for 5 s at most."""
LONGEST_NAME: Final = 253
AnswerReview = Callable[[bytes, str | None], Awaitable[web.Response]]
"""Answers a review, given its body and the client's address."""
LONGEST_TEXT: Final = 512
"""Characters of a malformed request that the log quotes."""


class Hook:
    """The HTTP handler of one replica."""

    def __init__(self, view: PolicyView, settings: Settings) -> None:
        self._view = view
        self._settings = settings
        self._large = MemoryBudget(LARGEST_BODY)
        self._log = LogBudget(time.monotonic)

    async def inject(self, request: web.Request) -> web.Response:
        """Answer whether a new pod gets a sidecar."""
        return await self._serve(request, self._inject)

    async def place(self, request: web.Request) -> web.Response:
        """Answer what a pod or a DaemonSet gets to run on accepted nodes. The path says how the API server found it."""
        way = Way(request.match_info["way"])

        async def answer(body: bytes, _address: str | None) -> web.Response:
            review = await self._read(
                body, lambda found: way is Way.BY_NAMESPACE and self._view.enforced(found.namespace) is None
            )
            enforced = self._view.enforced(review.namespace)
            policy = policy_to_place(review, way, enforced) if review.pod else None
            avoids = policy is not None and await self._view.avoids(policy)
            return _response(review, place(review, way, enforced, avoids=avoids))

        return await self._serve(request, answer)

    async def stamp(self, request: web.Request) -> web.Response:
        """Answer who last wrote the spec of a SovereignWorkload."""

        async def answer(body: bytes, _address: str | None) -> web.Response:
            review = read(body)
            return _response(review, stamp_requester(review))

        return await self._serve(request, answer)

    async def _serve(self, request: web.Request, answer: AnswerReview) -> web.Response:
        size = request.content_length
        if size is None:
            return web.Response(status=HTTPStatus.LENGTH_REQUIRED)
        if size > LARGEST_BODY:
            return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        with metrics.REVIEW_SECONDS.time():
            try:
                async with asyncio.timeout(SECONDS), self._reserve(size, request.remote):
                    async with asyncio.timeout(READ_SECONDS):
                        body = await request.read()
                    if not self._view.complete:
                        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
                    return await answer(body, request.remote)
            except TimeoutError:
                metrics.REVIEWS.labels("late").inc()
                return web.Response(status=HTTPStatus.REQUEST_TIMEOUT, headers={"Connection": "close"})
            except MalformedError as error:
                metrics.REVIEWS.labels("malformed").inc()
                if self._log.take(request.remote):
                    text = line(str(error)[:LONGEST_TEXT])
                    logger.warning("%s sent a request that no API server sends: %s", request.remote, text)
                return web.Response(status=HTTPStatus.BAD_REQUEST)

    def _reserve(self, size: int, address: str | None) -> AbstractAsyncContextManager[None]:
        return self._large.take(size, address) if size > SMALL_BODY else nullcontext()

    async def _read(self, body: bytes, is_early: Callable[[Review], bool]) -> Review:
        """Read a review; if it is early, only after a moment in which its namespace's label may be observed."""
        review = read(body)
        if not is_early(review):
            return review
        # A parsed review may take many times the memory of its body: drop it before waiting.
        namespace = review.namespace
        del review
        await self._view.until_enforced(namespace)
        return read(body)

    async def _inject(self, body: bytes, address: str | None) -> web.Response:
        never_in_scope = self._settings.replica.system_namespaces
        review = await self._read(
            body, lambda found: may_be_too_early(found, self._view.enforced(found.namespace), never_in_scope)
        )
        policy = policy_of(review, self._view.enforced(review.namespace), never_in_scope)
        encrypting = policy if policy and self._view.needs_sidecar(policy) else None
        around = self._view.namespace_facts(review.namespace)
        answer = decide_review(review, encrypting, self._settings.sidecar, around)
        result = result_of(answer)
        if isinstance(answer, Injected):
            by_token = self._settings.sidecar.by_token
            await self._view.until_ready(answer.policy, review.namespace, by_token=by_token)
        level = logging.INFO if result == "refused" else logging.DEBUG
        namespace = review.namespace[:LONGEST_NAME]
        if result != "untouched" and logger.isEnabledFor(level) and self._log.take(address, namespace):
            logger.log(
                level,
                "%s pod %s/%s, in a review from %s: policy %s encrypts",
                result,
                namespace,
                review.name[:LONGEST_NAME],
                address,
                policy,
                extra={"namespace": namespace, "policy": policy, "result": result},
            )
        return _response(review, answer)


def _response(review: Review, answer: Answer) -> web.Response:
    metrics.REVIEWS.labels(result_of(answer)).inc()
    return web.json_response(write(review.uid, answer))


def serving(port: int, hook: Hook, tls: ssl.SSLContext) -> AbstractAsyncContextManager[None]:
    """Return the context within which reviews are served over TLS."""
    application = web.Application(client_max_size=LARGEST_BODY)
    application.router.add_post("/inject", hook.inject)
    application.router.add_post(f"/place/{{way:{'|'.join(Way)}}}", hook.place)
    application.router.add_post("/stamp", hook.stamp)
    return listening(application, port, tls)
