"""Waits a moment until the guards let pods with sidecars into a namespace.

The injector may observe that a policy encrypts before the controller writes so into the policy's role. Until then a
guard takes a pod with a sidecar for a copy from elsewhere, and refuses it. And the signer writes the trust ConfigMap of
a new namespace, which the controller then lists in the role, within a second. Until then guards refuse pods whose
sidecars ask for certificates. A pod that is created by the same command as its policy or its namespace, and that
nothing creates again, must not fail for that.
"""

import asyncio
from contextlib import suppress
from typing import Final

from sovereign_operator.kube.client.access import may_certify, may_encrypt
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import ApiError

LONGEST_WAIT: Final = 2.0
"""Seconds. With all other waits it is less than an API server waits for a webhook."""
CHECK_SECONDS: Final = 0.1
REMEMBERED: Final = 10_000


class ReadyNamespaces:
    """The namespaces into which guards let pods with the sidecar of a policy, as far as they were asked for."""

    def __init__(self, api: Api, operator_namespace: str) -> None:
        self._api = api
        self._operator_namespace = operator_namespace
        self._ready: set[tuple[str, str | None]] = set()
        """Policy and namespace. One that is ready no more is refused by the guards."""
        self._looks: dict[tuple[str, str | None], asyncio.Task[None]] = {}

    async def until_ready(self, policy: str, namespace: str | None) -> None:
        """Wait until the namespace is ready, for LONGEST_WAIT at most. All that wait for one share the questions.

        ``namespace``: None if the policy's role need not list it, as the sidecars there do not ask for certificates
        themselves, or only the label of a pod names the policy.
        """
        key = policy, namespace
        if key in self._ready:
            return
        if key not in self._looks:
            self._looks[key] = asyncio.create_task(self._look(*key))
            self._looks[key].add_done_callback(lambda _: self._looks.pop(key, None))
        # One that is cancelled does not end the look of the others.
        await asyncio.shield(self._looks[key])

    async def _look(self, policy: str, namespace: str | None) -> None:
        with suppress(TimeoutError, ApiError):
            async with asyncio.timeout(LONGEST_WAIT):
                while not await self._is_ready(policy, namespace):  # noqa: ASYNC110 - no event for it
                    await asyncio.sleep(CHECK_SECONDS)
            if len(self._ready) >= REMEMBERED:
                self._ready.clear()
            self._ready.add((policy, namespace))

    async def _is_ready(self, policy: str, namespace: str | None) -> bool:
        if not await may_encrypt(self._api, self._operator_namespace, policy):
            return False
        return namespace is None or await may_certify(self._api, self._operator_namespace, policy, namespace)
