"""A replica that reads its Lease learns that the API server's store was restored: versions never go back otherwise."""

import asyncio
from datetime import datetime
from typing import Any, cast

import pytest
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord

from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.lease import LeaseLostError, _Lock


class Leases:
    """An API server with one Lease."""

    def __init__(self, version: int) -> None:
        self.version = version

    async def get(self, *_: Any) -> Json:
        return {"metadata": {"resourceVersion": str(self.version)}, "spec": {"holderIdentity": "other"}}

    async def patch(self, *_: Any, **_more: Any) -> Json:
        self.version += 1
        return {"metadata": {"resourceVersion": str(self.version)}}


def test_a_lease_that_goes_back_ends_the_process_whoever_holds_it() -> None:
    async def main() -> None:
        leases = Leases(998)
        lock = _Lock(cast("Api", leases), "sovereign-signer", "sovereign-system", "me", patience=1)
        now = str(datetime(2026, 11, 30))  # noqa: DTZ001 - as the library writes it
        # Not as text: 1000 would come before 999.
        for _ in range(5):
            assert (await lock.get("sovereign-signer", "sovereign-system"))[0]
            assert await lock.update("sovereign-signer", "sovereign-system", LeaderElectionRecord("me", "15", now, now))
        leases.version -= 1
        with pytest.raises(LeaseLostError, match="restored from a backup"):
            await lock.get("sovereign-signer", "sovereign-system")

    asyncio.run(main())
