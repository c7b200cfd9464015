"""Stays beside Envoy, and keeps its certificate valid: ``python -m sovereign_operator.sidecar.supervise``.

The arguments are the folders IDENTITY_FOLDER and OWN_FOLDER of the contract, the file of the termination message, and
Envoy's command line. The process starts Envoy once there is a certificate, forwards the signals that end a container,
and ends as Envoy ends. Each request to the signer is a process of its own (certificate.py).

It is the first process of its container: when it ends, the kernel ends the others, and it reaps what they leave behind.
And it takes memory from connections, so it imports little: not even the contract, whose paths arrive as arguments. With
Python 3.11 it has 10.8 MiB (RSS), of which 4.7 are its own and the rest are Python's program and libraries.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from sovereign_operator.sidecar.delivery import undelivered
from sovereign_operator.sidecar.outcome import Kind, Outcome
from sovereign_operator.sidecar.renewal import Progress, next_step

STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
AWAITED: Final = (signal.SIGCHLD, *STOPPING)
"""They are blocked, and the process waits for them: then none arrives at a moment when nobody expects it."""
DENIED_SECONDS: Final = 60.0
"""How long the process stays after its pod was denied a certificate. Then the container is restarted and asks again."""
CREDENTIALS: Final = "credentials.pem"
"""As in the contract."""
LOOK_SECONDS: Final = 60.0
"""How often it looks at the clock. While a machine is suspended, or a virtual one paused, timers stand still, but
certificates go on to age: https://github.com/istio/ztunnel/issues/1481."""
LONGEST_OUTCOME: Final = 65536
"""As much as a pipe holds."""
STOPPED: Final = 0
"""The status after a signal of STOPPING, as Envoy has it. A podFailurePolicy of a Job looks at the status of each
container, and must not find that this one failed."""
DELIVERY_SECONDS: Final = 1.5
"""How long Envoy goes on after such a signal, at most, to pass on what applications have sent before they ended. A
kubelet kills no container sooner than two seconds after the signal, whatever the grace period of the pod."""
DELIVERY_LOOK_SECONDS: Final = 0.05
DELIVERY_LOOKS: Final = 2
"""How often it looks whether anything is left, and how many times in a row there has to be nothing: data that Envoy has
just taken from one socket may not be in the other yet."""
BY_SIGNAL: Final = 128
"""A process that a signal ended has this status, plus the number of the signal, as shells have it."""


class Places(NamedTuple):
    """Folders and files, by their paths."""

    identity: str
    own: str
    termination_log: str
    """The kubelet shows its content in the pod's status."""


class Attempt(NamedTuple):
    """A process that asks for a certificate."""

    process: int
    output: int
    """The end of the pipe from which its outcome is read."""


class Due:
    """A moment in the future: it has come once enough time has passed by either clock."""

    def __init__(self, seconds: float) -> None:
        self._by_timer = time.monotonic() + seconds
        self._by_clock = time.time() + seconds

    def left(self) -> float:
        """Return the seconds until then; 0 if it has come."""
        return max(0.0, min(self._by_timer - time.monotonic(), self._by_clock - time.time()))


class Supervisor:
    """The state of the process."""

    def __init__(
        self,
        places: Places,
        envoy: list[str],
        denied_seconds: float = DENIED_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        delivery_seconds: float = DELIVERY_SECONDS,
    ) -> None:
        self._places = places
        self._command = envoy
        self._denied_seconds = denied_seconds
        self._look_seconds = look_seconds
        self._delivery_seconds = delivery_seconds
        self._envoy = 0
        """Its process id; 0 until it is started."""
        self._attempt: Attempt | None = None
        self._progress = Progress()
        self._stopping = False
        self._due = Due(0.0)
        """When the next attempt begins."""

    def run(self) -> int:
        """Run until Envoy has ended, and return the status with which to end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
        try:
            os.makedirs(self._places.own, 0o700, exist_ok=True)  # noqa: PTH103 - pathlib takes memory
            if os.path.exists(f"{self._places.own}/{CREDENTIALS}"):  # noqa: PTH110
                self._begin("check")
            while True:
                status = self._react(self._wait())
                if status is not None:
                    return status
        finally:
            # In a pod whose containers share processes, this is not the first one, and the kernel does not end them.
            for process in (self._envoy, self._attempt.process if self._attempt else 0):
                if process:
                    _send(process, signal.SIGKILL)

    def _wait(self) -> int:
        """Wait for a signal, or until the next attempt is due. Return the signal's number, or 0."""
        if self._attempt or self._stopping:
            return signal.sigwait(AWAITED)
        while left := self._due.left():
            if found := signal.sigtimedwait(AWAITED, min(left, self._look_seconds)):
                return found.si_signo
        return 0

    def _react(self, number: int) -> int | None:
        """Do what follows from a signal, or from none. Return the status with which to end, or None to go on."""
        if not number:
            self._begin("request")
        elif number in STOPPING:
            if not self._envoy:
                return STOPPED
            self._stopping = True
            self._deliver()
            _send(self._envoy, number)
        for process, status in _reap():
            if process == self._envoy:
                self._envoy = 0
                if self._stopping and -status in STOPPING:
                    # It had not got as far as to react itself.
                    return STOPPED
                return BY_SIGNAL - status if status < 0 else status
            if self._attempt and process == self._attempt.process:
                outcome = _read_outcome(self._attempt.output, status)
                self._attempt = None
                ends = self._follow(outcome)
                if ends is not None:
                    return ends
        return None

    def _deliver(self) -> None:
        """Wait until nothing is left to pass on, or another signal arrives, but not for too long."""
        end, looks = Due(self._delivery_seconds), 0
        while looks < DELIVERY_LOOKS and end.left():
            looks = 0 if undelivered() else looks + 1
            if signal.sigtimedwait(AWAITED, DELIVERY_LOOK_SECONDS):
                return

    def _begin(self, task: str) -> None:
        """Start a process that does a task of certificate.py."""
        output, given = os.pipe()
        line = [sys.executable, "-m", "sovereign_operator.sidecar.certificate", task, *self._places[:2]]
        try:
            self._attempt = Attempt(_start(line, [(os.POSIX_SPAWN_DUP2, given, 1)]), output)
        except OSError as error:
            os.close(output)
            self._follow(Outcome(Kind.FAILED, f"cannot start a process: {error}"))
        finally:
            os.close(given)

    def _follow(self, outcome: Outcome) -> int | None:
        """Do what follows from an outcome. Return the status with which to end, or None to go on."""
        self._progress, step = next_step(self._progress, outcome, int.from_bytes(os.urandom(4), "big") / 2**32)
        self._due = Due(step.pause)
        if step.report:
            _log("info" if outcome.kind is Kind.ISSUED else "warning", step.report)
        if step.gives_up:
            return self._give_up(outcome.message)
        if self._progress.certified and not self._envoy:
            self._envoy = _start(self._command)
        return None

    def _give_up(self, message: str) -> int:
        with suppress(OSError), open(self._places.termination_log, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(message)
        return STOPPED if signal.sigtimedwait(STOPPING, self._denied_seconds) else 1


def _start(line: list[str], files: Sequence[tuple[int, int, int]] = ()) -> int:
    """Start a program, and return the id of its process. Raises OSError."""
    return os.posix_spawnp(line[0], line, os.environ, file_actions=files, setsigmask=())


def _send(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _reap() -> Iterator[tuple[int, int]]:
    """Yield each process that has ended, with its exit code: the negative number of the signal that ended it."""
    with suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            yield process, os.waitstatus_to_exitcode(status)


def _read_outcome(output: int, status: int) -> Outcome:
    """Return the outcome that a process has written before it ended."""
    with open(output, "rb") as file:
        written = file.read(LONGEST_OUTCOME)
    if status == -signal.SIGALRM:
        return Outcome(Kind.FAILED, "the request took too long")
    try:
        return Outcome.parse(written.decode())
    except ValueError:
        return Outcome(Kind.FAILED, f"the process that asks for a certificate ended with status {status}")


def _log(level: str, message: str) -> None:
    """Log a line of JSON as Envoy does here, see envoy_files.py."""
    now = time.time()
    at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
    line = {"time": at, "level": level, "logger": "sidecar", "message": message}
    # Envoy must not end because nobody reads the log any more.
    with suppress(OSError):
        os.write(2, f"{json.dumps(line)}\n".encode())


def main() -> None:
    """Run with the arguments, and end with the status that follows."""
    identity, own, termination_log, *envoy = sys.argv[1:]
    sys.exit(Supervisor(Places(identity, own, termination_log), envoy).run())


if __name__ == "__main__":
    main()
