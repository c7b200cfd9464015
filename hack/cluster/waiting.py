"""Wait for a condition, with a timeout, and with a reason if it is never met."""

import time
from collections.abc import Callable

from hack.cluster.errors import ClusterError

INTERVAL = 0.05


def wait_until(probe: Callable[[], bool], what: str, *, seconds: float, explain: Callable[[], str] = str) -> None:
    """Return once the probe is true.

    ``explain`` is called in every round; a non-empty result is the reason why the probe will never be true. Raises
    ClusterError in that case and on timeout.
    """
    deadline = time.monotonic() + seconds
    while not probe():
        if reason := explain():
            raise ClusterError(f"{what}: {reason}")
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: still waiting after {seconds:.0f} s")
        time.sleep(INTERVAL)
