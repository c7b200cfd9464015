"""What /metrics shows of the controller."""

from typing import Final

from prometheus_client import Counter, Gauge

NODES_ACCEPTED: Final = Gauge("sovereign_nodes_accepted", "Nodes that may host a policy's pods.", ["policy"])
NODES_RETAINED: Final = Gauge(
    "sovereign_nodes_retained", "Refused nodes that keep a policy's label for pods that still run there.", ["policy"]
)
PODS: Final = Gauge(
    "sovereign_pods", "Pods of a SovereignWorkload: inside, outside or pending.", ["namespace", "workload", "place"]
)
QUALIFICATION_END: Final = Gauge(
    "sovereign_qualification_end_timestamp_seconds",
    "When a qualification that is recorded as such ends, Unix time; +Inf if no end is recorded.",
    ["service", "scheme", "id"],
)
GUARDS_BROKEN: Final = Gauge(
    "sovereign_guards_broken", "Admission policies and bindings of ours that are missing or were changed."
)
CERTIFICATES_REPEATED: Final = Counter(
    "sovereign_certificates_repeated",
    "Certificates of a pod in scope beyond one a volume, before they were due: a kubelet began anew, or a request was "
    "forged.",
)
