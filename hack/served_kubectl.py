"""kubectl's own commands, run one after another by a process that stays (``hack/cluster/go/kubectl``).

A process for each command takes a tenth of a second of a core, and tests run thousands.
"""

import atexit
import json
import subprocess
import threading
from collections.abc import Sequence
from functools import cache
from subprocess import CompletedProcess, Popen
from typing import Final

from hack.cluster import binaries

TIMEOUT_SECONDS: Final = 300
COMMANDS_AT_MOST: Final = 300
"""After so many commands another process follows: what they leave in memory adds up to gigabytes in half an hour."""
SERVED: Final = frozenset(
    {"annotate", "apply", "cordon", "create", "delete", "get", "label", "logs", "patch", "replace", "rollout", "scale"}
    | {"set", "taint", "uncordon", "wait"}
)
"""The commands that end by themselves, and never end the process that runs them."""
WITH_VALUE: Final = frozenset({"-n", "--kubeconfig"})
"""The options that may precede a command, and whose value is the next argument."""
ENDLESS: Final = {"get": frozenset({"-w", "--watch"}), "logs": frozenset({"-f", "--follow"})}


class ServedKubectl:
    """The process, which starts with the first command and ends with the one that started it."""

    def __init__(self) -> None:
        self._process: Popen[str] | None = None
        self._commands = 0
        self._free = threading.Lock()

    def attempt(self, arguments: Sequence[str], stdin: str) -> CompletedProcess[str] | None:
        """Run a command, whether it succeeds or not; None if it needs a process of its own, or the process is busy."""
        if not _is_served(arguments) or not self._free.acquire(blocking=False):
            return None
        try:
            return self._run(arguments, stdin)
        finally:
            self._free.release()

    def _run(self, arguments: Sequence[str], stdin: str) -> CompletedProcess[str]:
        if self._commands >= COMMANDS_AT_MOST:
            self.end()
        if self._process is None or self._process.poll() is not None:
            self._process, self._commands = _start(), 0
        self._commands += 1
        assert self._process.stdin
        assert self._process.stdout
        late = threading.Timer(TIMEOUT_SECONDS, self._process.kill)
        late.start()
        try:
            print(json.dumps({"arguments": arguments, "stdin": stdin}), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        finally:
            late.cancel()
        if not answer:
            self._process.wait()
            raise subprocess.TimeoutExpired(["kubectl", *arguments], TIMEOUT_SECONDS)
        done = json.loads(answer)
        return CompletedProcess(["kubectl", *arguments], done["code"], done["stdout"], done["stderr"])

    def end(self) -> None:
        """End the process, if there is one; the next command starts another."""
        if self._process:
            self._process.communicate()
        self._process = None


def _start() -> "Popen[str]":
    program = binaries.path("kubectl-served")
    return Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@cache
def served() -> ServedKubectl:
    """Return this process's own."""
    own = ServedKubectl()
    atexit.register(own.end)
    return own


def _is_served(arguments: Sequence[str]) -> bool:
    words = iter(arguments)
    for word in words:
        if word in WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word in SERVED and ENDLESS.get(word, frozenset()).isdisjoint(arguments)
    return False
