"""The injector process: serves admission reviews of new pods. All replicas answer, and none leads."""

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
"""How long to keep answering after SIGTERM, until no API server is routed to this replica."""


class Injector(Process):
    """One replica."""

    def __init__(self, settings: Settings, api: Api) -> None:
        self._view = PolicyView(api, settings.replica.namespace)
        self._certificate = ServingCertificate(FOLDER, settings.replica.namespace, api.clock)
        self._hook = Hook(self._view, settings)
        self._port = settings.webhook_port
        self._stopping = False

    def ailing(self) -> list[str]:
        """Return what this replica has received nothing about for too long."""
        return [f"no event or list of {name} for too long" for name in self._view.stalled]

    def unready(self) -> list[str]:
        """Return the reasons why this replica must get no reviews; empty if it may."""
        reasons = {
            "stopping": self._stopping,
            "namespaces, policies and transit configs are not listed yet": not self._view.complete,
            self._certificate.fault: not self._certificate.ready,
        }
        return [reason for reason, holds in reasons.items() if holds]

    async def run(self) -> None:
        """Work until a task ends."""
        await until_first_ends(self._view.run(), self._certificate.run())

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Return the context within which reviews are served."""
        return serving(self._port, self._hook, self._certificate.context)

    async def linger(self) -> None:
        """Keep answering until no API server is routed to this replica."""
        self._stopping = True
        await asyncio.sleep(STOP_SECONDS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the injector."""
    settings = parse(arguments)
    run_replica(settings.replica, partial(Injector, settings))


if __name__ == "__main__":
    main()
