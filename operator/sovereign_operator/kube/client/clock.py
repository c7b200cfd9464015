"""The API server's clock, by which the operator's processes decide whether a date has passed.

Every response carries the server's time. The clock keeps the difference from the monotonic clock of this machine, which
cannot be set: a wrong or corrected system clock changes no verdict.
"""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class ServerClock:
    """The API server's time, accurate to the second. Before the first response, the time of this machine."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def learn(self, date_header: str | None) -> None:
        """Set the clock by the ``Date`` header of a response. A header that cannot be parsed is ignored."""
        if not date_header:
            return
        try:
            server_time = parsedate_to_datetime(date_header).timestamp()
        except ValueError:
            return
        self._offset = server_time - time.monotonic()

    def now(self) -> datetime:
        """Return the API server's time, in UTC."""
        return datetime.fromtimestamp(time.monotonic() + self._offset, UTC)
