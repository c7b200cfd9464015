"""The injector process: all replicas answer, and none leads."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from sovereign_operator.aio.tasks import until_first_ends
from sovereign_operator.injector.policy_view import PolicyView
from sovereign_operator.injector.server import Hook, serving
from sovereign_operator.injector.settings import Settings, parse
from sovereign_operator.injector.tls import FOLDER, ServingCertificate
from sovereign_operator.kube.client.api import Api
from sovereign_operator.runtime.process import Process, run_replica

STOP_SECONDS: Final = 5.0
"""How long to go on answering after SIGTERM, until no API server is sent here any more."""


class Injector(Process):
    """One replica."""

    def __init__(self, settings: Settings, api: Api) -> None:
        self._view = PolicyView(api, settings.replica.namespace)
        self._identity = ServingCertificate(FOLDER, settings.replica.namespace, api.clock)
        self._hook = Hook(self._view, settings)
        self._port = settings.webhook_port
        self._stopping = False

    def ailing(self) -> list[str]:
        """Name what is stuck."""
        return [f"nothing heard of {name}" for name in self._view.stalled]

    def unready(self) -> list[str]:
        """Return why this replica should get no reviews, if anything is so."""
        reasons = {
            "stopping": self._stopping,
            "not everything was seen yet": not self._view.complete,
            self._identity.fault: not self._identity.ready,
        }
        return [reason for reason, holds in reasons.items() if holds]

    async def run(self) -> None:
        """Work until a task ends."""
        await until_first_ends(self._view.run(), self._identity.run())

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Serve reviews meanwhile."""
        return serving(self._port, self._hook, self._identity.context)

    async def linger(self) -> None:
        """Go on answering until no API server is sent here any more."""
        self._stopping = True
        await asyncio.sleep(STOP_SECONDS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the injector."""
    settings = parse(arguments)
    run_replica(settings.replica, partial(Injector, settings))


if __name__ == "__main__":
    main()
