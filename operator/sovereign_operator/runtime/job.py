"""A process that completes one task and ends. The chart runs such processes as Jobs: ``seed`` and ``webhook_ca``."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

from sovereign_operator.runtime.logs import log_as_json
from sovereign_operator.runtime.stopping import until_stopped

logger = logging.getLogger(__name__)


def options(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that every Job has. The namespace comes from the environment."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    own = os.environ.get("POD_NAMESPACE")
    parser.add_argument("--namespace", default=own, required=not own, help="default: $POD_NAMESPACE")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    return parser


def run_and_exit(
    work: Coroutine[Any, Any, None], *, log_level: str, fails_by: tuple[type[Exception], ...], failure: str
) -> NoReturn:
    """Run the work and exit: with status 0 if it completes, with 1 if SIGTERM stops it or it raises ``fails_by``.

    Errors of ``fails_by`` are logged after the words of ``failure``; others are raised. The log is JSON, one object a
    line.
    """
    log_as_json(log_level)
    try:
        stopped = asyncio.run(until_stopped(work))
    except fails_by as error:
        logger.error("%s: %s", failure, error)  # noqa: TRY400 - a person needs no trace
        sys.exit(1)
    sys.exit(stopped)
