"""Where the API server asks: POST /inject, over TLS."""

import logging
import ssl
from typing import Final

from aiohttp import web

from sovereign_operator.injector import metrics
from sovereign_operator.injector.review import MalformedError, Review, answer, policy_of, read, result_of, write
from sovereign_operator.injector.settings import Settings
from sovereign_operator.injector.world import World

logger = logging.getLogger(__name__)

LARGEST_BODY: Final = 24 * 1024**2
"""In bytes. An API server takes objects of 3 MB, and writes some characters of one with six when it tells us of it."""

UNAVAILABLE: Final = 503
MALFORMED: Final = 400


class Hook:
    """Answers questions, one after another."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._settings = settings

    async def inject(self, request: web.Request) -> web.Response:
        """Answer an AdmissionReview."""
        with metrics.REVIEW_SECONDS.time():
            try:
                review = read(await request.read())
                if not self._world.complete:
                    return web.Response(status=UNAVAILABLE, text="not everything was seen yet: ask again")
                return await self._answer(review)
            except MalformedError as error:
                metrics.REVIEWS.labels("malformed").inc()
                return web.Response(status=MALFORMED, text=str(error))

    async def _answer(self, review: Review) -> web.Response:
        policy = await self._policy(review)
        given = answer(review, policy if policy and self._world.encrypts(policy) else None, self._settings.sidecar)
        result = result_of(given)
        metrics.REVIEWS.labels(result).inc()
        if result != "untouched":
            metadata = (review.pod or {}).get("metadata") or {}
            logger.log(
                logging.INFO if result == "refused" else logging.DEBUG,
                "%s pod %s/%s: policy %s encrypts",
                result,
                review.namespace,
                metadata.get("name") or metadata.get("generateName", ""),
                policy,
                extra={"namespace": review.namespace, "policy": policy, "result": result},
            )
        return web.json_response(write(review.uid, given))

    async def _policy(self, review: Review) -> str | None:
        if review.pod is None or review.namespace in self._settings.replica.system_namespaces:
            return None
        enforced = self._world.enforced(review.namespace)
        if enforced is None and review.labelled is None:
            enforced = await self._world.until_enforced(review.namespace)
        return policy_of(review, enforced)


async def serve(port: int, hook: Hook, tls: ssl.SSLContext) -> web.AppRunner:
    """Serve until the runner is cleaned up."""
    application = web.Application(client_max_size=LARGEST_BODY)
    application.router.add_post("/inject", hook.inject)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port, ssl_context=tls).start()
    return runner
