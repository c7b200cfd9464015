"""A supervisor that runs, with a program in Envoy's place that reports what happens to it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import IO, Any, Final

from tests.stand_in_signer import PATIENCE, Files

ENVOY: Final = f"""\
#!{sys.executable} -IS
import os, signal, sys
def say(words):
    os.write(1, (words + chr(10)).encode())
def end(number, _):
    say("got " + signal.Signals(number).name)
    sys.exit(int(os.environ.get("STATUS", "0")))
def leave_orphan(number, _):
    if not os.fork():
        os._exit(os.fork() and 0)
    os.wait()
    say("left an orphan")
for number in () if "EARLY" in os.environ else (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, end)
signal.signal(signal.SIGHUP, leave_orphan)
say(" ".join(["started", str(os.getpid()), *sys.argv[1:]]))
while True:
    signal.pause()
"""

SUPERVISE: Final = """\
import sys
from sovereign_operator.sidecar.supervise import Places, Supervisor
sys.exit(Supervisor(Places(*sys.argv[1:4]), sys.argv[4:], delivery_seconds=0).run())
"""
"""Does not wait for the data of other processes, which are in the same network here."""
HURRIED: Final = """\
import sys
from sovereign_operator.sidecar.supervise import Places, Supervisor
sys.exit(Supervisor(Places(*sys.argv[1:4]), sys.argv[4:], denied_seconds=0, delivery_seconds=0).run())
"""
"""Does not stay for a minute when its pod was denied a certificate."""
WAKING: Final = """\
import os, sys, time
from sovereign_operator.sidecar.supervise import Places, Supervisor
now = time.time
time.time = lambda: now() + 86400 * os.path.exists(os.environ["WOKEN"])
sys.exit(Supervisor(Places(*sys.argv[1:4]), sys.argv[4:], look_seconds=0.1, delivery_seconds=0).run())
"""
"""Runs on a machine that was suspended for a day as soon as the file WOKEN is there: only the clock has gone on."""
FAILING: Final = """\
import sys
from sovereign_operator.sidecar.supervise import Places, Supervisor
class Failing(Supervisor):
    def _follow(self, outcome):
        super()._follow(outcome)
        raise RuntimeError("as a test wants it")
sys.exit(Failing(Places(*sys.argv[1:4]), sys.argv[4:]).run())
"""
"""Fails as soon as it has started Envoy."""


class Lines:
    """The lines that a process writes."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: Queue[str | None] = Queue()
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        with self._stream:
            for line in self._stream:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def next(self) -> str:
        """Wait for the next line."""
        line = self._lines.get(timeout=PATIENCE)
        if line is None:
            self._lines.put(None)
            raise AssertionError("there is no further line")
        return line

    def end(self) -> None:
        """Wait until nobody writes any more."""
        self._reading.join(PATIENCE)
        assert not self._reading.is_alive(), "a process still writes"

    def rest(self) -> list[str]:
        """Wait until nobody writes any more, and return the lines that are left."""
        self.end()
        left = list(iter(self._lines.get, None))
        self._lines.put(None)
        return left


class Running:
    """A supervisor."""

    def __init__(self, process: subprocess.Popen[str], files: Files, termination_log: Path) -> None:
        self.process = process
        self.files = files
        self.termination_log = termination_log
        assert process.stdout
        assert process.stderr
        self.envoy = Lines(process.stdout)
        """What the program in Envoy's place says."""
        self.log = Lines(process.stderr)

    def envoy_started(self) -> int:
        """Wait until Envoy has started, and return its process id."""
        word, process, *arguments = self.envoy.next().split()
        assert (word, arguments) == ("started", ["--config-path", "bootstrap.json"])
        return int(process)

    def logged(self) -> str:
        """Wait for a line of the log, and return its message."""
        line: dict[str, Any] = json.loads(self.log.next())
        assert list(line) == ["time", "level", "logger", "message"]
        return str(line["message"])

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the status with which the supervisor ends."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def supervise(
    files: Files,
    program: Sequence[str] = ("-c", SUPERVISE),
    within: Sequence[str] = (),
    **environment: str,
) -> Iterator[Running]:
    """Run a supervisor. ``within`` is a command that runs it."""
    folder = files.own.parent
    envoy = folder / "bin" / "envoy"
    envoy.parent.mkdir(exist_ok=True)
    envoy.write_text(ENVOY)
    envoy.chmod(0o755)
    termination_log = folder / "termination-log"
    paths = map(str, (files.identity, files.own, termination_log))
    path = ":".join(filter(None, sys.path))
    process = subprocess.Popen(
        [*within, sys.executable, *program, *paths, "envoy", "--config-path", "bootstrap.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={"PATH": f"{envoy.parent}:/usr/bin:/bin", "PYTHONPATH": path} | environment,
    )
    running = Running(process, files, termination_log)
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        running.envoy.end()
        running.log.end()
