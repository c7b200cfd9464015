"""Which policies have refused nodes that new pods must avoid, as the policies' roles say.

Where the API server places pods itself, it asks RBAC for each pod. The injector asks once a second for each policy that
pods are created for.
"""

import asyncio
import time
from typing import Final

from sovereign_operator.kube.client.access import may_avoid
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import ApiError

FRESH_SECONDS: Final = 1.0
"""How long an answer counts."""
LONGEST_WAIT: Final = 1.0
"""Seconds. With all other waits it is less than an API server waits for a webhook."""
REMEMBERED: Final = 1_000


class AvoidingPolicies:
    """The policies that were asked about."""

    def __init__(self, api: Api, operator_namespace: str) -> None:
        self._api = api
        self._operator_namespace = operator_namespace
        self._answers: dict[str, tuple[float, asyncio.Task[bool]]] = {}
        """By policy: when the question was asked, and the answer."""

    async def holds(self, policy: str) -> bool:
        """Whether new pods of a policy must avoid refused nodes. False without an answer: guards refuse these nodes."""
        asked, answer = self._answers.get(policy, (0.0, None))
        now = time.monotonic()
        if answer is None or now - asked > FRESH_SECONDS:
            if len(self._answers) >= REMEMBERED:
                self._answers.clear()
            answer = asyncio.create_task(self._ask(policy))
            self._answers[policy] = now, answer
        # All that ask within a second share the question: one that is cancelled does not end it.
        return await asyncio.shield(answer)

    async def _ask(self, policy: str) -> bool:
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                return await may_avoid(self._api, self._operator_namespace, policy)
        except (TimeoutError, ApiError):
            return False
