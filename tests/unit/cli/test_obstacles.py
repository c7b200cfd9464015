"""How long ``explain`` repeats that a sidecar refused connections, however long the API server keeps Events."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from sovereign_operator.cli.gather.obstacles import last_posted
from sovereign_operator.core.names import FIELD_MANAGER
from tests.builders import NOW


def event(last: datetime | None, component: str = FIELD_MANAGER) -> dict[str, Any]:
    return {"source": {"component": component}, "lastTimestamp": last and last.strftime("%Y-%m-%dT%H:%M:%SZ")}


OLD, RECENT = NOW - timedelta(minutes=61), NOW - timedelta(minutes=59)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], None),
        ([event(RECENT)], RECENT),
        ([event(OLD), event(RECENT), event(OLD)], RECENT),
        ([event(OLD)], None),
        ([event(RECENT, "somebody-else")], None),
        ([event(None)], None),
        ([{}], None),
    ],
)
def test_an_event_counts_for_an_hour(events: list[dict[str, Any]], said: datetime | None) -> None:
    assert last_posted(events, NOW) == (event(said)["lastTimestamp"] if said else "")
