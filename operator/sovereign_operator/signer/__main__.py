"""The signer process: all replicas sign; the one that holds the Lease keeps CAs and trust bundles."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from functools import partial
from typing import TypeVar, assert_never

from sovereign_operator.aio.tasks import keep_running
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import ApiError
from sovereign_operator.runtime import metrics
from sovereign_operator.runtime.process import Process, leading, run_replica
from sovereign_operator.runtime.queue import WorkQueue
from sovereign_operator.signer import metrics as signer_metrics
from sovereign_operator.signer.key_store import SecretStore
from sovereign_operator.signer.move import copy_keys, drop_keys
from sovereign_operator.signer.reconcile.authorities import reconcile_authorities
from sovereign_operator.signer.reconcile.requests import answer_request
from sovereign_operator.signer.reconcile.trust_copies import keep_trust
from sovereign_operator.signer.settings import Settings, parse
from sovereign_operator.signer.state import AuthoritiesKey, RequestKey, SignerKey, SignerState, TrustKey
from sovereign_operator.signer.tokens.endpoint import Endpoint, serving
from sovereign_operator.signer.tokens.serving import ServingCertificate

logger = logging.getLogger(__name__)

LEASE = "sovereign-signer"
WORKERS = 16
HOUSEKEEPING_SECONDS = 5.0
MOVE_SECONDS = 5.0

T = TypeVar("T")


class Signer(Process):
    """One replica."""

    def __init__(self, settings: Settings, api: Api) -> None:
        self._settings = settings
        self._api = api
        self._queue: WorkQueue[SignerKey] = WorkQueue(self._handle)
        self._state = SignerState(api, self._queue, settings)
        self._store = SecretStore(api, settings.keys_namespace, settings.trust_domain)
        self._certificate = ServingCertificate(self._state)

    def ailing(self) -> list[str]:
        """Return what this replica has received nothing about for too long."""
        return [f"no event or list of {name} for too long" for name in self._state.stalled]

    def unready(self) -> list[str]:
        """Return why no sidecar should ask this replica."""
        if not self._settings.certificate_port:
            return []
        # Where there is no authority for it, no replica has a certificate. One that is to create it, or to move keys
        # first, may have to be ready before a former one ends.
        unsigned = self._state.serving_authority is not None and not self._certificate.ready
        reasons = {
            "not all is listed yet": not self._state.complete,
            "there is no serving certificate yet": unsigned,
        }
        return [reason for reason, holds in reasons.items() if holds]

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Return the context within which sidecars get certificates, if they ask with a token."""
        port = self._settings.certificate_port
        return serving(port, Endpoint(self._state), self._certificate.context) if port else nullcontext()

    async def run(self) -> None:
        """Work until the Lease is lost or a task ends."""
        await leading(
            self._api,
            LEASE,
            self._settings.replica,
            self._keep_authorities,
            self._state.run(),
            self._queue.run(WORKERS),
            keep_running("housekeeping", self._clean_up),
            self._certificate.run(),
        )

    async def _keep_authorities(self) -> None:
        """Keep CAs and bundles while this replica leads; first move the keys of a former version."""
        metrics.LEADING.set(1)
        former, keys = self._settings.replica.namespace, self._settings.keys_namespace
        moving = self._settings.move_keys
        if moving:
            self._state.moved_authorities = await _until_done(lambda: copy_keys(self._api, former, keys))
        self._state.leading = True
        self._queue.add(AuthoritiesKey())
        self._state.keep_all_trust()
        while moving:
            moving = not await _until_done(lambda: drop_keys(self._api, former, keys))
            await asyncio.sleep(MOVE_SECONDS)
        await asyncio.Event().wait()

    async def _clean_up(self) -> None:
        """Keep the metrics of waiting requests up to date, and forget what is no longer needed."""
        await self._state.until_complete()
        self._queue.add(AuthoritiesKey())
        while True:
            now = asyncio.get_running_loop().time()
            waiting = [seen.created for seen in self._state.requests.values()]
            waited = self._state.waits.of_sidecars(now)
            waiting += [self._api.clock.now() - timedelta(seconds=seconds) for seconds in waited]
            signer_metrics.WAITING.set(len(waiting))
            signer_metrics.OLDEST.set(min(waiting).timestamp() if waiting else 0)
            self._state.forget(now)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _handle(self, key: SignerKey) -> float | None:
        await self._state.until_complete()
        match key:
            case AuthoritiesKey():
                return await reconcile_authorities(self._state, self._store)
            case RequestKey():
                return await answer_request(self._state, key)
            case TrustKey():
                return await keep_trust(self._state, key)
            case _:
                assert_never(key)


async def _until_done(step: Callable[[], Awaitable[T]]) -> T:
    """Repeat a step until the API server allows it: its RBAC rules may be created after this process."""
    while True:
        try:
            return await step()
        except ApiError as error:
            logger.warning("the keys of a former version are not moved yet, and will be tried again: %s", error)
        await asyncio.sleep(MOVE_SECONDS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the signer."""
    settings = parse(arguments)
    run_replica(settings.replica, partial(Signer, settings))


if __name__ == "__main__":
    main()
