"""The log is JSON, one object a line, also where many lines are written together."""

import json
import subprocess
import sys

PROGRAM = """
import logging, os
from sovereign_operator.runtime.logs import lines_together, log_as_json

log_as_json("info")
logger = logging.getLogger("demo")
logger.info("alone")
try:
    with lines_together():
        for number in range(3):
            logger.info("line %s", number, extra={"number": number})
        raise KeyError
except KeyError:
    logger.debug("not shown")
logger.warning("last")
# As if the process were killed: nothing is left to be written.
os._exit(0)
"""


def test_no_line_is_lost() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["alone", "line 0", "line 1", "line 2", "last"]
    assert [line.get("number") for line in lines] == [None, 0, 1, 2, None]
    assert {line["severity"] for line in lines} == {"INFO", "WARNING"}
