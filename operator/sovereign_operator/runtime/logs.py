"""The log of every process: JSON on standard error, one object a line."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter


class _Handler(logging.StreamHandler[TextIO]):
    """Writes each line at once, or all lines of a batch together."""

    gathering = False

    def flush(self) -> None:
        """Write what is buffered, unless a batch is under way."""
        if not self.gathering:
            super().flush()


def log_as_json(level: str) -> None:
    """Log to standard error, one JSON object a line."""
    handler = _Handler(os.fdopen(sys.stderr.fileno(), "w", encoding="utf-8", errors="backslashreplace", closefd=False))
    handler.setFormatter(
        JsonFormatter("{levelname}{name}{message}", style="{", rename_fields={"levelname": "severity"}, timestamp=True)
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


@contextmanager
def lines_together() -> Iterator[None]:
    """Write the lines of a batch with few system calls, which cost more than the lines."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, _Handler)]
    for handler in handlers:
        handler.gathering = True
    try:
        yield
    finally:
        for handler in handlers:
            handler.gathering = False
            handler.flush()
