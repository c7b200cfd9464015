"""One process of the operator, as far as its metrics go.

``python -m tests.monitoring.process NAME --port PORT`` serves what a bad day shows at /metrics, as the process does;
with ``--minute MINUTE``, what that minute of the morning shows.
``--morning END`` prints samples of a morning that ends at this Unix time, with the labels of ``--labels``.
"""

import argparse
import asyncio
import importlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from prometheus_client import REGISTRY

from sovereign_operator.runtime.health import serving

NAMES: Final = ("controller", "signer", "injector", "agent")
MINUTES: Final = 360


def load(name: str) -> Any:
    """Return the module that shows the days of a process; only metrics that the process itself has stay registered."""
    importlib.import_module(f"sovereign_operator.{name}.__main__")
    own = {*REGISTRY._collector_to_names}  # noqa: SLF001 - it has no public name
    module = importlib.import_module(f"tests.monitoring.{name}")
    for collector in {*REGISTRY._collector_to_names} - own:  # noqa: SLF001
        REGISTRY.unregister(collector)
    return module


def samples(labels: Mapping[str, str], at: datetime) -> Iterator[str]:
    """Yield all samples of the operator's own metrics, in the format of OpenMetrics."""
    for family in REGISTRY.collect():
        if family.name.startswith("sovereign_") and family.type != "histogram":
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    parts = ",".join(f'{key}="{value}"' for key, value in {**labels, **sample.labels}.items())
                    value = str(float(sample.value)).replace("inf", "+Inf")
                    yield f"{sample.name}{{{parts}}} {value} {at.timestamp():.0f}"


async def serve(port: int) -> None:
    async with serving(port, list):
        await asyncio.Event().wait()


def main() -> None:
    """Show a day of one process."""
    parser = argparse.ArgumentParser(prog="python -m tests.monitoring.process", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--port", type=int)
    parser.add_argument("--minute", type=int)
    parser.add_argument("--morning", type=float, metavar="END")
    parser.add_argument("--labels", type=json.loads, default={})
    given = parser.parse_args()
    module = load(given.name)
    if given.port:
        if given.minute is None:
            module.show_bad_day(datetime.now(UTC))
        else:
            module.show_morning(datetime.now(UTC), given.minute)
        asyncio.run(serve(given.port))
    end = datetime.fromtimestamp(given.morning, UTC)
    for minute in range(MINUTES + 1):
        now = end - timedelta(minutes=MINUTES - minute)
        module.show_morning(now, minute)
        print("\n".join(samples(given.labels, now)))  # noqa: T201


if __name__ == "__main__":
    main()
