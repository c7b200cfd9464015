"""A process that does one thing and ends, as a Job of the chart."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

from sovereign_operator.runtime.replica import log_as_json
from sovereign_operator.runtime.stopping import until_stopped

logger = logging.getLogger(__name__)


def options(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what the chart tells every Job. The namespace comes from the environment."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    given_by = os.environ.get("POD_NAMESPACE")
    parser.add_argument("--namespace", default=given_by, required=not given_by, help="default: $POD_NAMESPACE")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    return parser


def run_and_exit(
    work: Coroutine[Any, Any, None], *, log_level: str, fails_by: tuple[type[Exception], ...], failure: str
) -> NoReturn:
    """Do it, and end the process: with 1 if it was stopped, or failed in a known way, which ``failure`` says in words.

    Its log is JSON, one object a line.
    """
    log_as_json(log_level)
    try:
        stopped = asyncio.run(until_stopped(work))
    except fails_by as error:
        logger.error("%s: %s", failure, error)  # noqa: TRY400 - a person needs no trace
        sys.exit(1)
    sys.exit(stopped)
