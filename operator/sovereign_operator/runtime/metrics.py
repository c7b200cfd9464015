"""Metrics that all long-running processes have."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

LEADING: Final = Gauge("sovereign_leading", "1 if this replica is the active one.")
RECONCILES: Final = Counter("sovereign_reconciles", "Keys handled, by kind of key and result.", ["key", "result"])
RECONCILE_SECONDS: Final = Histogram("sovereign_reconcile_seconds", "How long handling a key took.", ["key"])
FROZEN: Final = Gauge(
    "sovereign_frozen",
    "1 while nothing is changed, because our CRDs are missing or going, or there is no object at all of one of them.",
)
