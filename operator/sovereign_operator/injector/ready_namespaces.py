"""Waits a moment for a namespace in which sidecars cannot yet find whom to trust.

The signer writes the trust ConfigMap of a new namespace, and the controller then lists the namespace in the policy's
role, within a second. Until then guards refuse pods whose sidecars ask for certificates. A pod that is created by the
same command as its namespace, and that nothing creates again, must not fail for that.
"""

import asyncio
from contextlib import suppress
from typing import Final

from sovereign_operator.kube.client.access import may_certify
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import ApiError

LONGEST_WAIT: Final = 2.0
"""Seconds. With all other waits it is less than an API server waits for a webhook."""
CHECK_SECONDS: Final = 0.1
REMEMBERED: Final = 10_000


class ReadyNamespaces:
    """The namespaces whose pods get certificates of a policy, as far as they were asked for."""

    def __init__(self, api: Api, operator_namespace: str) -> None:
        self._api = api
        self._operator_namespace = operator_namespace
        self._ready: set[tuple[str, str]] = set()
        """Policy and namespace. One that is ready no more is refused by the guards."""
        self._looks: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def until_ready(self, policy: str, namespace: str) -> None:
        """Wait until the namespace is ready, for LONGEST_WAIT at most. All that wait for one share the questions."""
        key = policy, namespace
        if key in self._ready:
            return
        if key not in self._looks:
            self._looks[key] = asyncio.create_task(self._look(*key))
            self._looks[key].add_done_callback(lambda _: self._looks.pop(key, None))
        # One that is cancelled does not end the look of the others.
        await asyncio.shield(self._looks[key])

    async def _look(self, policy: str, namespace: str) -> None:
        with suppress(TimeoutError, ApiError):
            async with asyncio.timeout(LONGEST_WAIT):
                while not await may_certify(self._api, self._operator_namespace, policy, namespace):  # noqa: ASYNC110 - no event for it
                    await asyncio.sleep(CHECK_SECONDS)
            if len(self._ready) >= REMEMBERED:
                self._ready.clear()
            self._ready.add((policy, namespace))
