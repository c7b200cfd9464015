"""The injector process: all replicas answer, and none leads."""

import asyncio
from collections.abc import Sequence
from typing import Final

from sovereign_operator.aio.tasks import until_first_ends
from sovereign_operator.injector.server import Hook, serving
from sovereign_operator.injector.settings import Settings, parse
from sovereign_operator.injector.tls import FOLDER, Identity
from sovereign_operator.injector.world import World
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.runtime import health
from sovereign_operator.runtime.replica import log_as_json
from sovereign_operator.runtime.stopping import until_stopped

STOP_SECONDS: Final = 5.0
"""How long to go on answering when told to stop: until nobody is sent here any more."""


class Injector:
    """One replica."""

    def __init__(self, settings: Settings, api: Api) -> None:
        self._world = World(api, settings.replica.namespace)
        self.identity = Identity(FOLDER, settings.replica.namespace, api.clock)
        self.hook = Hook(self._world, settings)
        self._stopping = False

    def ailing(self) -> list[str]:
        """Name what is stuck."""
        return [f"nothing heard of {name}" for name in self._world.stalled]

    def unready(self) -> list[str]:
        """Say why nobody should ask this replica, if that is so."""
        reasons = {
            "stopping": self._stopping,
            "not everything was seen yet": not self._world.complete,
            self.identity.fault: not self.identity.ready,
        }
        return [reason for reason, holds in reasons.items() if holds]

    async def run(self) -> None:
        """Do everything, until something ends."""
        await until_first_ends(self._world.run(), self.identity.run())

    async def linger(self) -> None:
        """Go on answering until nobody is sent here any more."""
        self._stopping = True
        await asyncio.sleep(STOP_SECONDS)


async def run(settings: Settings) -> None:
    """Run one replica until it is stopped."""
    async with await connect() as client:
        injector = Injector(settings, Api(client, ServerClock()))
        async with (
            health.serving(settings.replica.port, injector.ailing, injector.unready),
            serving(settings.webhook_port, injector.hook, injector.identity.context),
        ):
            if await until_stopped(injector.run()):
                await injector.linger()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the injector. Its log is JSON, one object a line."""
    settings = parse(arguments)
    log_as_json(settings.replica.log_level)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
