"""What /metrics shows of the agent."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REDIRECTED: Final = Gauge("sovereign_redirected_pods", "Pods of this node whose traffic goes through their sidecar.")
FAILURES: Final = Counter(
    "sovereign_redirect_failures",
    "Attempts to load rules that failed, by reason: namespace, rules or probes.",
    ["reason"],
)
LACKS: Final = Gauge(
    "sovereign_agent_node_lacks",
    "1 for each thing that this node lacks for pods with sidecars: results, namespaces, entry, rules, strict, sockets, "
    "frames, watchers.",
    ["what"],
)
REDIRECT_SECONDS: Final = Histogram(
    "sovereign_redirect_seconds",
    "From the creation of a pod's network to its loaded rules, in seconds. The pod's containers wait for them.",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20, 60),
)
SILENCE: Final = Gauge(
    "sovereign_agent_silence_seconds",
    "Seconds since the agent last received an event or a list of its node's pods; up to 60 is usual.",
)
