"""Makes the API server trust the injector: one step before the chart is installed or upgraded, and one after."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.errors import ApiError
from sovereign_operator.runtime.job import options, run_and_exit
from sovereign_operator.webhook_ca.steps import Steps, UnusableError

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 60.0
"""How long to retry while RBAC and objects of the same release are missing. Then another pod tries with a new token:
this pod's token is invalid if its service account was created again meanwhile."""


@dataclass(frozen=True)
class Settings:
    """The options of the Job."""

    step: str
    namespace: str
    identity: str
    log_level: str


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options."""
    parser = options("sovereign-webhook-ca", __doc__)
    parser.add_argument("step", choices=["create", "trust"], help="create: before an upgrade; trust: after it")
    parser.add_argument("--identity", default=os.environ.get("POD_NAME") or socket.gethostname())
    given = parser.parse_args(arguments)
    return Settings(given.step, given.namespace, given.identity, given.log_level)


async def run(settings: Settings) -> None:
    """Run the step, with retries until what it needs exists.

    Raises UnusableError, or the ApiError of the last attempt after PATIENCE_SECONDS.
    """
    async with await connect() as client:
        steps = Steps(Api(client, ServerClock()), settings.namespace, settings.identity)
        step = {"create": steps.create, "trust": steps.trust}[settings.step]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await step()
            except ApiError as error:
                if time.monotonic() > deadline:
                    raise
                logger.info("trying again in %g s: %s", RETRY_SECONDS, error)
                await asyncio.sleep(RETRY_SECONDS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the Job."""
    settings = parse(arguments)
    run_and_exit(
        run(settings),
        log_level=settings.log_level,
        fails_by=(ApiError, UnusableError),
        failure="the API server cannot be made to trust the injector",
    )


if __name__ == "__main__":
    main()
