"""kubectl for tests and the demo: the commands that a person would type, with the answer as text or JSON."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from hack.cluster import binaries
from hack.reader import Reader, ReadError
from hack.served_kubectl import TIMEOUT_SECONDS, served

Json = dict[str, Any]
T = TypeVar("T")


class KubectlError(Exception):
    """kubectl failed. The text is what it wrote to standard error."""


class TimedOutError(Exception):
    """A condition was not met in time. The text says what was last seen."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with one person's credentials."""

    kubeconfig: Path
    program: Path = field(default_factory=partial(binaries.path, "kubectl"))

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it printed. Raises KubectlError."""
        done = self.attempt(*arguments, stdin=stdin)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def attempt(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl, whether it succeeds or not."""
        given = ["--kubeconfig", str(self.kubeconfig), *arguments]
        return served().attempt(given, stdin or "") or subprocess.run(
            [str(self.program), *given],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )

    def refusal(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl, which must fail, and return its error. Raises AssertionError if it succeeds."""
        done = self.attempt(*arguments, stdin=stdin)
        if not done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)} was not refused: {done.stdout.strip()}")
        return done.stderr.strip()

    def get(self, kind: str, name: str, namespace: str = "") -> Json:
        """Return an object. Raises KubectlError."""
        return self._read(f"get {kind} {name}", lambda reader: reader.get(kind, name, namespace))

    def list(self, kind: str, namespace: str = "", selector: str = "") -> list[Json]:
        """Return the objects of a kind, of all namespaces if none is named. Raises KubectlError."""
        return self._read(f"get {kind}", lambda reader: reader.list(kind, namespace, selector))

    def _read(self, words: str, read: Callable[[Reader], T]) -> T:
        try:
            return read(self._reader)
        except ReadError as error:
            raise KubectlError(f"kubectl {words}: {error}") from error

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.kubeconfig)

    def apply(self, *manifests: Json | str, namespace: str = "", options: Sequence[str] = ()) -> str:
        """Apply manifests, given as objects or as YAML, and return what kubectl printed."""
        return self.run("apply", *_in(namespace), *options, "-f", "-", stdin=_as_yaml(manifests))

    def create(self, manifest: Json | str, namespace: str = "") -> str:
        """Create an object."""
        return self.run("create", *_in(namespace), "-f", "-", stdin=_as_yaml((manifest,)))

    def delete(self, *arguments: str, namespace: str = "") -> None:
        """Delete objects and wait until they are gone; a missing object is not an error."""
        self.run("delete", *arguments, *_in(namespace), "--ignore-not-found", "--wait=true")


def _in(namespace: str) -> list[str]:
    return ["-n", namespace] if namespace else []


def _as_yaml(manifests: Sequence[Json | str]) -> str:
    texts = [text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False) for text in manifests]
    return "\n---\n".join(texts)


def eventually(
    look: Callable[[], T | Literal[False] | None], *, seconds: float = 60, what: str = "", pause: float = 0.1
) -> T:
    """Call ``look`` again and again until it returns something true, and return that.

    An AssertionError, a KubectlError, a LookupError and a ValueError (such as of one pod where there is none) count as
    "not yet". Raises TimedOutError with the last of them.
    ``pause``: seconds between the first two calls; it grows to four times that, since some calls start a kubectl, which
    takes a tenth of a second of a core.
    """
    longest = 4 * pause
    deadline = time.monotonic() + seconds
    while True:
        last: object
        try:
            seen = look()
            if seen:
                return seen
            last = seen
        except (AssertionError, LookupError, ValueError, KubectlError) as error:
            last = error
        if time.monotonic() > deadline:
            raise TimedOutError(f"{what or look} did not come true within {seconds:g} s; last seen: {last}")
        time.sleep(pause)
        pause = min(1.25 * pause, longest)
