"""Progress on the terminal: what is being done, for how long, and how long it took."""

import sys
import threading
import time
from types import TracebackType
from typing import Self


class Step:
    """A step that takes a while. It prints to standard error when it begins and when it is done.

    On a terminal it also counts the seconds.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = 0.0
        self._done = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        if sys.stderr.isatty():
            self._ticker.start()
        else:
            self._say(f"{self._what} ...\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._ticker.ident:
            self._ticker.join()
        ending = "failed after" if error else "done in"
        self._say(
            f"\r{self._what}: {ending} {time.monotonic() - self._begun:.1f} s\n".removeprefix(
                "" if sys.stderr.isatty() else "\r"
            )
        )

    def _tick(self) -> None:
        while not self._done.wait(0.5):
            self._say(f"\r{self._what} ... {time.monotonic() - self._begun:.0f} s")

    @staticmethod
    def _say(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
