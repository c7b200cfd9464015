"""Leader election: of several replicas, only the holder of a Lease works. Controller and signer use it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio.client import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.baselock import BaseLock

from sovereign_operator.aio.tasks import in_thread, until_first_ends
from sovereign_operator.kube.client.api import MERGE, Api, Json, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.errors import ApiError, UnavailableError
from sovereign_operator.kube.client.resource import LEASES

logger = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """The process must not go on, as its requests may still be under way, or what it has read is outdated.

    Another replica may hold the Lease now, or the API server's store was restored from a backup.
    """


class _Lock(BaseLock):
    """The lock for the library's election.

    The library's own LeaseLock (37.0.2) cannot create a Lease: it passes a boolean where the client now requires text.
    It also ends the election when a connection is lost.
    """

    def __init__(self, api: Api, name: str, namespace: str, identity: str, patience: float) -> None:
        super().__init__(name, namespace, identity)
        self._api = api
        self._patience = patience
        self._version = ""
        self._newest = 0
        """The newest version of the Lease that this replica has read or written."""

    async def get(self, name: str, namespace: str) -> Any:
        """Return (True, record) or (False, error)."""
        try:
            lease = await self._timely(self._api.get(LEASES, name, namespace))
        except ApiError as error:
            failure = ApiException(status=error.status, reason=str(error))
            failure.body = f'{{"code": {error.status}}}'
            return False, failure
        self._note_version(lease)
        if int(self._version) < self._newest:
            raise LeaseLostError(
                f"the Lease {name} has gone back to an older version, as the API server's store was restored from a "
                "backup, so that everything has to be read again"
            )
        spec = lease.get("spec") or {}
        duration = spec.get("leaseDurationSeconds")
        return True, LeaderElectionRecord(
            spec.get("holderIdentity"), duration and str(duration), spec.get("acquireTime"), spec.get("renewTime")
        )

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Create the Lease. Return whether that succeeded."""
        body = {"metadata": {"name": name}, "spec": _spec(election_record)}
        try:
            await self._timely(self._api.create(LEASES, body, namespace))
        except ApiError as error:
            logger.warning("the Lease could not be created: %s", error)
            return False
        return True

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """Write the Lease, unless another client has since it was read. Return whether that succeeded."""
        body = {"metadata": {"resourceVersion": self._version}, "spec": _spec(updated_record)}
        try:
            lease = await self._timely(self._api.patch(LEASES, name, body, content_type=MERGE, namespace=namespace))
        except ApiError as error:
            logger.warning("the Lease could not be written: %s", error)
            return False
        self._note_version(lease)
        return True

    def _note_version(self, lease: Json) -> None:
        self._version = lease["metadata"]["resourceVersion"]
        self._newest = max(self._newest, int(self._version))

    async def _timely(self, request: Coroutine[Any, Any, Json]) -> Json:
        """Await a response, but not beyond the time at which another replica may take the Lease."""
        try:
            async with asyncio.timeout(self._patience):
                return await request
        except TimeoutError as error:
            raise UnavailableError(0, f"no answer within {self._patience:g} s") from error


def _spec(record: LeaderElectionRecord) -> Json:
    return {
        "holderIdentity": record.holder_identity,
        "leaseDurationSeconds": int(record.lease_duration or 0),
        "acquireTime": _micro_time(record.acquire_time),
        "renewTime": _micro_time(record.renew_time),
    }


def _micro_time(text: str | None) -> str:
    """Return a time as a Lease has it. The library gives local times without a zone, or what we read."""
    moment = datetime.fromisoformat(text or "")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def lead(
    *,
    name: str,
    namespace: str,
    identity: str,
    lease_seconds: int,
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Wait for the Lease, then run ``work``. Return when it ends, or raise what it raises.

    Raises LeaseLostError when the Lease is lost. The caller must then end the process or replace it.

    A separate thread renews the Lease over a separate connection, so that work which blocks the event loop for long, on
    an object of a megabyte for example, does not lose the Lease. The liveness probe detects a loop that is stuck.
    """
    loop, leading = asyncio.get_running_loop(), asyncio.Event()

    async def began() -> None:
        logger.info("%s holds the Lease and begins to work", identity)
        loop.call_soon_threadsafe(leading.set)

    async def lost() -> None:
        raise LeaseLostError(f"{identity} could not renew the Lease {name} in time")

    async def work_once_leading() -> None:
        await leading.wait()
        await work()

    async def campaign() -> None:
        # The last attempt starts before the deadline and makes two requests. Both end before the Lease expires.
        pause = max(1.0, lease_seconds / 7)
        async with await connect() as client:
            election = LeaderElection(
                Config(
                    _Lock(Api(client, ServerClock()), name, namespace, identity, patience=pause),
                    lease_duration=lease_seconds,
                    renew_deadline=lease_seconds * 2 / 3,
                    retry_period=pause,
                    onstarted_leading=began,
                    onstopped_leading=lost,
                )
            )
            await election.run()

    await until_first_ends(in_thread(campaign), work_once_leading())


async def hand_over(api: Api, *, name: str, namespace: str, identity: str) -> None:
    """Release the Lease if this replica holds it, so that the next replica need not wait until it expires."""
    try:
        lease = await api.get(LEASES, name, namespace)
        if lease["spec"].get("holderIdentity") != identity:
            return
        body = {
            "metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]},
            "spec": {"holderIdentity": None},
        }
        await api.patch(LEASES, name, body, content_type=MERGE, namespace=namespace)
    except ApiError as error:
        logger.warning("the Lease could not be handed over, it ends by itself: %s", error)
