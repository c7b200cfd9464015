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
PODS_IN_SCOPE: Final = Gauge(
    "sovereign_pods_in_scope",
    "Pods that are held to a policy, whether a SovereignWorkload speaks of them or not: inside, outside or pending.",
    ["namespace", "policy", "place"],
)
PODS_NOT_TRUSTED: Final = Gauge(
    "sovereign_pods_not_trusted",
    "Pods that mount a policy's certificates in namespaces to which the policy gives none.",
    ["policy"],
)
PROCESSES_OUTSIDE: Final = Gauge(
    "sovereign_processes_outside",
    "1 for each pod of the operator, but for agents, on a node that no policy accepts, if any policy accepts one.",
    ["component", "process", "node"],
)
DATACENTRE_NODES: Final = Gauge(
    "sovereign_datacentre_nodes",
    "Nodes of a datacentre: present; declared in it, and lost or replaced (registered again under their name).",
    ["datacentre", "state"],
)
QUALIFICATION_END: Final = Gauge(
    "sovereign_qualification_end_timestamp_seconds",
    "When a qualification ends that is recorded as such, of a service with a datacentre; Unix time; +Inf if no end is "
    "recorded.",
    ["service", "scheme", "id"],
)
GUARDS_BROKEN: Final = Gauge(
    "sovereign_guards_broken", "Admission policies and bindings of ours that are missing or were changed."
)
GUARDS_DRIFTED: Final = Gauge(
    "sovereign_guards_drifted", "Our admission bindings that do all that they should, and audit besides."
)
ENCRYPTION_MODE: Final = Gauge(
    "sovereign_encryption_mode", "1 for the mode that a policy's sidecars are told.", ["policy", "mode"]
)
ENCRYPTION_PODS: Final = Gauge(
    "sovereign_encryption_pods",
    "Pods in scope that run: bare (without a sidecar), late (it has not loaded the mode), loaded; static (run by their "
    "nodes, so that nothing can give them one).",
    ["policy", "state"],
)
SILENT_AGENTS: Final = Gauge(
    "sovereign_silent_agents",
    "Nodes with pods in scope for which no agent has said that it has loaded the rules that hold now.",
    ["policy"],
)
PLAINTEXT_OPEN: Final = Gauge(
    "sovereign_plaintext_open_connections",
    "Open connections in plaintext that pods in scope have accepted, but for those that exceptions name.",
    ["policy"],
)
CERTIFICATES_REPEATED: Final = Counter(
    "sovereign_certificates_repeated",
    "Certificates of a pod in scope beyond one a volume, before they were due: a kubelet began anew, or a request was "
    "forged.",
)
