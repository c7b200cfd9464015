"""Requests to an application, one after another, counted while something else happens."""

import threading
from types import TracebackType
from typing import Self

from hack.cluster import Cluster

REQUEST = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null", "--max-time", "5"]


class Traffic:
    """Sends requests from a node to a URL, each over a new connection, until it is stopped."""

    def __init__(self, cluster: Cluster, node: str, url: str) -> None:
        self._cluster, self._node, self._url = cluster, node, url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic")
        self.answered = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def ask(self) -> str:
        """Send one request. Return the error; empty if it succeeded."""
        done = self._cluster.node_exec(self._node, [*REQUEST, self._url])
        return done.stderr.strip() if done.returncode else ""

    def _run(self) -> None:
        while not self._stop.is_set():
            if failure := self.ask():
                self.failures.append(failure)
            else:
                self.answered += 1
            self._stop.wait(0.02)
