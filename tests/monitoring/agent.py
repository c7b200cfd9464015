"""The agent's metrics. What the agent counts when the kernel refuses rules is counted here in its way."""

from dataclasses import dataclass
from datetime import datetime

from sovereign_operator.agent import metrics
from tests.monitoring import common


@dataclass(frozen=True)
class SandboxKey:
    """A key of the agent's queue, by the name of its class."""

    name: str


def show_morning(_now: datetime, _minute: int) -> None:
    """Show the morning at one minute."""
    metrics.SILENCE.set(20)
    metrics.REDIRECTED.set(4)
    common.reconcile(SandboxKey("web-0"))


def show_bad_day(_now: datetime) -> None:
    """Show all that the alerts are about."""
    metrics.SILENCE.set(400)
    metrics.FAILURES.labels("rules").inc()
    metrics.LACKS.labels("rules").set(1)
    common.reconcile(SandboxKey("web-0"), failures=2)
