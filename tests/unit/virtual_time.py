"""An event loop whose clock jumps: waiting for an hour takes no time, and the order of events is always the same."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _JumpingLoop(asyncio.SelectorEventLoop):
    """A loop that never sleeps: instead it moves its clock on by the same time."""

    def __init__(self) -> None:
        self._jumped = 0.0
        super().__init__(_NoSleep(self))

    def time(self) -> float:
        return self._jumped

    def jump(self, seconds: float) -> None:
        """Move the clock on, by at least a microsecond: with a clock that stands still, timers would never be due."""
        self._jumped += max(seconds, 1e-6)


class _NoSleep(selectors.DefaultSelector):
    def __init__(self, loop: _JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everything waits for something that nobody will do")
        self._loop.jump(timeout)
        return super().select(0)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end."""
    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        runner.run(coroutine)
