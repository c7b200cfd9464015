"""Waiting for a condition, with an end, and with a reason if it does not come true."""

import time
from collections.abc import Callable

from hack.cluster.errors import ClusterError

INTERVAL = 0.05


def wait_until(probe: Callable[[], bool], what: str, *, seconds: float, explain: Callable[[], str] = str) -> None:
    """Return once the probe is true.

    ``explain`` is asked at every round; if it returns something, that is why it will never be true. Raises
    ClusterError then, and when the time is over.
    """
    deadline = time.monotonic() + seconds
    while not probe():
        if reason := explain():
            raise ClusterError(f"{what}: {reason}")
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: still waiting after {seconds:.0f} s")
        time.sleep(INTERVAL)
