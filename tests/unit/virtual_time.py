"""An event loop whose clock jumps: what waits for an hour is tested in no time, and in the same order each time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _JumpingLoop(asyncio.SelectorEventLoop):
    """A loop that never sleeps: where it would, its clock moves on by as much."""

    def __init__(self) -> None:
        self._jumped = 0.0
        super().__init__(_NoSleep(self))

    def time(self) -> float:
        return self._jumped

    def jump(self, seconds: float) -> None:
        """Move the clock on, by a microsecond at least: on a clock that stood still, timers would be early for ever."""
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
