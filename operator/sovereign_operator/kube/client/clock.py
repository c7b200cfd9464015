"""The time, as the API server has it.

Every answer carries the server's time. What we keep is its distance from a clock of ours that nobody
can set, so a wrong or corrected clock on the controller's node changes no verdict.
"""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class ServerClock:
    """Tells the API server's time, to the second. Before its first answer, this machine's."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def learn(self, date_header: str | None) -> None:
        """Take the time from an answer's ``Date`` header; one that cannot be read is ignored."""
        if not date_header:
            return
        try:
            told = parsedate_to_datetime(date_header).timestamp()
        except ValueError:
            return
        self._offset = told - time.monotonic()

    def now(self) -> datetime:
        """Return the API server's time, in UTC."""
        return datetime.fromtimestamp(time.monotonic() + self._offset, UTC)
