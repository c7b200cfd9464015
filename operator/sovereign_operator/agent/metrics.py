"""What /metrics shows of the agent."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REDIRECTED: Final = Gauge("sovereign_redirected_pods", "Pods of this node whose traffic goes through their sidecar.")
FAILURES: Final = Counter(
    "sovereign_redirect_failures", "Rules that could not be loaded this time, by reason.", ["reason"]
)
REDIRECT_SECONDS: Final = Histogram(
    "sovereign_redirect_seconds",
    "From a pod's network to its rules. Its containers wait for them.",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20, 60),
)
SILENCE: Final = Gauge(
    "sovereign_agent_silence_seconds", "How long the API server has told nothing of this node's pods; 60 is usual."
)
