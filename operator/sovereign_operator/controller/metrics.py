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
WORKLOAD_READY: Final = Gauge(
    "sovereign_workload_ready",
    "1 if the condition Ready of a SovereignWorkload is True, otherwise 0.",
    ["namespace", "workload"],
)
PODS_IN_SCOPE: Final = Gauge(
    "sovereign_pods_in_scope",
    "Pods that are held to a policy, with or without a SovereignWorkload: inside, outside or pending.",
    ["namespace", "policy", "place"],
)
PODS_OUTSIDE: Final = Gauge(
    "sovereign_pods_outside",
    "Pods that are held to a policy and run where it does not accept it, by datacentre and service; (none) for nodes "
    "in no datacentre, and for those that are gone.",
    ["namespace", "policy", "datacentre", "service"],
)
PODS_JUDGED: Final = Gauge(
    "sovereign_pods_judged",
    "Pods that a policy judges: inside, outside, pending or unknown (there is no such policy). The mode is enforce for "
    "pods that are held to it, and warn or audit for those of namespaces that try it. A policy counts a pod once, in "
    "the strictest mode.",
    ["namespace", "policy", "mode", "place"],
)
PODS_OLDER: Final = Gauge(
    "sovereign_pods_older_than_label",
    "Pods that are held to a policy and are older than the label that says so: admission did not place them.",
    ["namespace", "policy"],
)
PODS_BARE: Final = Gauge(
    "sovereign_pods_without_sidecar",
    "Pods that are held to a policy that encrypts, and have no sidecar of it.",
    ["namespace", "policy"],
)
PODS_NOT_TRUSTED: Final = Gauge(
    "sovereign_pods_not_trusted",
    "Pods that mount a policy's certificates in namespaces to which the policy gives none.",
    ["policy"],
)
PROCESSES_OUTSIDE: Final = Gauge(
    "sovereign_processes_outside",
    "1 for each pod of the operator, except agents, on a node that no policy accepts, if any policy accepts one.",
    ["component", "process", "node"],
)
DATACENTRE_NODES: Final = Gauge(
    "sovereign_datacentre_nodes",
    "Nodes of a datacentre: present, or declared and lost, or declared and replaced (registered again).",
    ["datacentre", "state"],
)
DATACENTRE_INFO: Final = Gauge(
    "sovereign_datacentre_info",
    "Always 1; the labels say to which service a datacentre belongs, and in which country it is.",
    ["datacentre", "service", "country"],
)
QUALIFICATION_END: Final = Gauge(
    "sovereign_qualification_end_timestamp_seconds",
    "When a qualification of a service with a datacentre ends, Unix time; +Inf if no end is recorded.",
    ["service", "scheme", "id"],
)
DEROGATION_END: Final = Gauge(
    "sovereign_derogation_end_timestamp_seconds",
    "When a Derogation that somebody approved ends, or ended, Unix time.",
    ["derogation", "policy", "service", "scheme"],
)
GUARDS_BROKEN: Final = Gauge(
    "sovereign_guards_broken",
    "Admission policies, bindings and webhooks of the chart that are missing or were changed so that they guard less.",
)
GUARDS_DRIFTED: Final = Gauge(
    "sovereign_guards_drifted", "Admission bindings of the chart that were changed so that they also audit."
)
ENCRYPTION_MODE: Final = Gauge(
    "sovereign_encryption_mode", "1 for the mode in which a policy's sidecars are.", ["policy", "mode"]
)
ENCRYPTION_PODS: Final = Gauge(
    "sovereign_encryption_pods",
    "Running pods in scope: bare (without a sidecar), late (the sidecar has not loaded the mode), loaded, static (run "
    "by their node, so without a sidecar).",
    ["policy", "state"],
)
SILENT_AGENTS: Final = Gauge(
    "sovereign_silent_agents",
    "Nodes with pods in scope whose agent has not reported the current rules as loaded.",
    ["policy"],
)
PLAINTEXT_OPEN: Final = Gauge(
    "sovereign_plaintext_open_connections",
    "Open plaintext connections to pods in scope, except those that the policy allows.",
    ["policy"],
)
SIDECARS_REFUSING: Final = Gauge(
    "sovereign_sidecars_refusing",
    "Sidecars that refused connections in the last ten minutes, because each carries as many as its memory takes.",
    ["policy"],
)
CONNECTIONS_REFUSED: Final = Counter(
    "sovereign_connections_refused",
    "Connections that sidecars refused, because they carried as many as their memory takes.",
    ["policy"],
)
CERTIFICATES_REPEATED: Final = Counter(
    "sovereign_certificates_repeated",
    "Certificates that a pod got before its last one was due, beyond one for each volume: a kubelet lost its state, or "
    "a request was forged.",
)
