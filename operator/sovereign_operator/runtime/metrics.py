"""Metrics that all long-running processes have."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

LEADING: Final = Gauge("sovereign_leading", "1 if this replica holds the Lease of its process.")
RECONCILES: Final = Counter("sovereign_reconciles", "Keys reconciled, by kind of key and result.", ["key", "result"])
RECONCILE_SECONDS: Final = Histogram(
    "sovereign_reconcile_seconds", "How long a reconciliation took, in seconds.", ["key"]
)
FROZEN: Final = Gauge(
    "sovereign_frozen",
    "1 while this process changes nothing, because CRDs, all objects of a kind or all keys are missing or being "
    "deleted.",
)
