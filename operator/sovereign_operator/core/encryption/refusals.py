"""Sidecars that refuse connections, because they carry as many as their memory takes.

To the application, such a connection opens and ends at once, as if its peer had gone. So people have to be told.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sovereign_operator.core.report.conditions import Notice, examples

REFUSED: Final = "ConnectionsRefused"
"""The reason of the Event about a pod."""

LATELY: Final = timedelta(minutes=10)
"""How long a sidecar is reported after it was last seen to refuse a connection."""

CARRIES_ALL: Final = "carries as many as its memory takes"
REMEDY: Final = (
    "raise its memory limit (sovereignty.dev/sidecar-memory-limit), or find out who keeps connections open; the page "
    "encryption.md says how many there can be"
)


def refuses(seen: datetime | None, now: datetime) -> bool:
    """Whether a sidecar that was last ``seen`` to refuse a connection is reported. None: it was not seen to."""
    return seen is not None and now - seen < LATELY


def sentence(pods: Iterable[str]) -> str:
    """Return a sentence about pods whose sidecars refuse connections."""
    minutes = LATELY // timedelta(minutes=1)
    return (
        f"sidecars refused connections in the last {minutes} minutes, because each {CARRIES_ALL}: "
        f"{examples(sorted(pods))}: {REMEDY}"
    )


def notice(refused: int) -> Notice:
    """Return the Event about such a pod. ``refused``: how many connections, since its sidecar started."""
    number = f"{refused} connection" if refused == 1 else f"{refused} connections"
    what = f"the sidecar of this pod has refused {number}, which ended at once, because it {CARRIES_ALL}"
    return Notice("Warning", REFUSED, f"{what}: {REMEDY}")


def hour_of(now: datetime) -> str:
    """Return what stands for the hour: an Event of each hour is kept for about as long, and is posted once."""
    return now.strftime("%Y-%m-%dT%H")
