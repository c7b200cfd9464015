"""The seed process: it creates what the chart ships and was never created before, and ends.

Policies and services belong to people once they are there. So the seed may only create: RBAC keeps it from changing or
deleting one. It records what there was once, so that one which somebody deleted stays deleted. The record is apart from
what is to be created, which no process may write: people create from it with rights of their own.
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
"""The ConfigMap in the operator's namespace that the chart makes and the seed reads."""
OBJECTS: Final = "objects.json"
"""Its key of what is to be created, as a List."""
RECORD: Final = "sovereign-seed-created"
"""The ConfigMap beside it that the chart makes and the seed completes."""
CREATED: Final = "created"
"""Its key of what there was once: kind/name, one a line. Versions of before wrote it beside the objects."""

RETRY_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 60.0
"""How long to wait where the API server refuses something: its kinds and guards come with the same manifest as the
Job, and may still be those of the version before."""

_RESOURCES: Final = {kind.name: OURS[kind.plural] for kind in KINDS}


class SeedError(Exception):
    """The API server refuses objects. The text names them and says why."""


@dataclass(frozen=True)
class Settings:
    """How the seed runs."""

    namespace: str
    log_level: str


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options."""
    given = options("sovereign-seed", __doc__).parse_args(arguments)
    return Settings(given.namespace, given.log_level)


async def seed(api: Api, namespace: str) -> None:
    """Create each object that was never there. Raises SeedError if the API server refuses one, after all others."""
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
                logger.info("%s is there already and stays as it is", name)
            except RefusedError as error:
                refused.append(f"{name}: {error}")
                continue
            else:
                logger.info("%s was created", name)
        if name not in before.split():
            added.append(name)
    if added:
        # With the version, so that two seeds (one of an upgrade that came soon) forget nothing of each other.
        version = {"resourceVersion": record["metadata"]["resourceVersion"]}
        completed = {"metadata": version, "data": {CREATED: "\n".join([*filter(None, [before]), *added])}}
        await api.patch(CONFIG_MAPS, RECORD, completed, content_type=MERGE, namespace=namespace)
    if refused:
        raise SeedError("; ".join(refused))


async def _create(api: Api, body: Json) -> None:
    # Strict: where the CRDs are older than the chart, a demand that they do not know would be dropped without a word.
    query = {"fieldManager": CONFIG_MAP, "fieldValidation": "Strict"}
    await api.request("POST", _RESOURCES[body["kind"]].path(), body, query=query)


async def run(settings: Settings) -> None:
    """Seed, once the API server serves our kinds. Raises SeedError, or what the API server refuses in the end."""
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
