"""The seed process: creates the objects that the chart ships and that were never created before, and ends.

Once created, these policies and services belong to the users of the cluster: RBAC does not let the seed change or
delete them. The seed records what it created, so that an object that a user deletes stays deleted. It keeps the record
in a ConfigMap of its own: no process may write the one that lists the objects, from which people with more rights also
create objects.
"""

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sovereign_operator.api.v1alpha1 import KINDS
from sovereign_operator.kube.client.api import MERGE, Api, Json, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError, RefusedError, UnavailableError
from sovereign_operator.kube.client.resource import CONFIG_MAPS, OURS
from sovereign_operator.runtime.job import options, run_and_exit

logger = logging.getLogger(__name__)

CONFIG_MAP: Final = "sovereign-seed"
"""The ConfigMap in the operator's namespace that the chart creates and the seed only reads."""
OBJECTS: Final = "objects.json"
"""Its data key: the objects to create, as a List in JSON."""
RECORD: Final = "sovereign-seed-created"
"""The ConfigMap in the same namespace that the chart creates and the seed extends."""
CREATED: Final = "created"
"""Its data key: the objects that once existed, as kind/name, one a line. Earlier versions wrote it in CONFIG_MAP."""

RETRY_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 60.0
"""How long to retry what the API server refuses: the CRDs and guards are installed together with the Job, and may
still be those of the former version."""

_RESOURCES: Final = {kind.name: OURS[kind.plural] for kind in KINDS}


class SeedError(Exception):
    """The API server refuses objects. The text names them and states why."""


@dataclass(frozen=True)
class Settings:
    """The options of the seed."""

    namespace: str
    log_level: str


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options."""
    given = options("sovereign-seed", __doc__).parse_args(arguments)
    return Settings(given.namespace, given.log_level)


async def seed(api: Api, namespace: str) -> None:
    """Create each object that never existed. If the API server refuses some, raises SeedError after all others."""
    config = await api.get(CONFIG_MAPS, CONFIG_MAP, namespace)
    record = await api.get(CONFIG_MAPS, RECORD, namespace)
    before = (record.get("data") or {}).get(CREATED, "")
    known, added, refused = {*before.split(), *config["data"].get(CREATED, "").split()}, [], []
    for body in json.loads(config["data"][OBJECTS])["items"]:
        name = f"{body['kind']}/{body['metadata']['name']}"
        if name not in known:
            try:
                await _create(api, body)
            except ConflictError:
                logger.info("%s exists already and is not changed", name)
            except RefusedError as error:
                refused.append(f"{name}: {error}")
                continue
            else:
                logger.info("%s was created", name)
        if name not in before.split():
            added.append(name)
    if added:
        # With the resourceVersion, two seeds, as of two upgrades in a row, cannot overwrite each other's record.
        version = {"resourceVersion": record["metadata"]["resourceVersion"]}
        completed = {"metadata": version, "data": {CREATED: "\n".join([*filter(None, [before]), *added])}}
        await api.patch(CONFIG_MAPS, RECORD, completed, content_type=MERGE, namespace=namespace)
    if refused:
        raise SeedError("; ".join(refused))


async def _create(api: Api, body: Json) -> None:
    # Strict: if the CRDs are older than the chart, the API server would silently drop a demand that they lack.
    query = {"fieldManager": CONFIG_MAP, "fieldValidation": "Strict"}
    await api.request("POST", _RESOURCES[body["kind"]].path(), body, query=query)


async def run(settings: Settings) -> None:
    """Run the seed, with retries until the API server serves our kinds.

    Raises SeedError or RefusedError if the API server still refuses a write after PATIENCE_SECONDS.
    """
    async with await connect() as client:
        api = Api(client, ServerClock())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await seed(api, settings.namespace)
            except (ConflictError, NotFoundError, UnavailableError) as error:
                logger.info("trying again in %g s: %s", RETRY_SECONDS, error)
            except (SeedError, RefusedError) as error:
                if time.monotonic() > deadline:
                    raise
                logger.info("trying again in %g s: %s", RETRY_SECONDS, error)
            await asyncio.sleep(RETRY_SECONDS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the seed."""
    settings = parse(arguments)
    run_and_exit(
        run(settings),
        log_level=settings.log_level,
        fails_by=(SeedError, RefusedError),
        failure="the API server refuses what the chart ships",
    )


if __name__ == "__main__":
    main()
