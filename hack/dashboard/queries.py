"""The queries that several panels are made of."""

from typing import Final

COMPONENT: Final = "app_kubernetes_io_component"
"""The label for a process's kind, which the chart's PodMonitor copies from the pods."""


def latest(metric: str, *by: str, where: str = "") -> str:
    """Return a query for what the active replica says, or said within five minutes, as the chart's alerts have it."""
    return f"max by ({', '.join(by)}) (last_over_time({metric}{{{where}}}[5m]))".replace("{}", "")


def pods_at(place: str) -> str:
    """Return a query for the pods in scope at a place, by namespace and policy."""
    return latest("sovereign_pods_in_scope", "namespace", "policy", where=f'place="{place}"')


def encryption_pods(state: str) -> str:
    """Return a query for the pods of policies that encrypt in a state, by policy."""
    return latest("sovereign_encryption_pods", "policy", where=f'state="{state}"')


def nodes_that_are(state: str) -> str:
    """Return a query for the nodes in a state, by datacentre."""
    return latest("sovereign_datacentre_nodes", "datacentre", where=f'state="{state}"')


SECONDS_TO_END: Final = f"{latest('sovereign_qualification_end_timestamp_seconds', 'service', 'scheme')} - time()"
"""By service and scheme. A decision and its renewal are two entries: the one that lasts longest counts."""
SECONDS_TO_END_OF_DEROGATION: Final = (
    f"{latest('sovereign_derogation_end_timestamp_seconds', 'policy', 'service', 'scheme')} - time()"
)
"""By policy, service and scheme. Of several that waive the same, the one that lasts longest counts."""
READY: Final = latest("sovereign_workload_ready", "namespace", "workload")
NOT_READY: Final = f"{READY} == 0"


def of_those_not_ready(place: str) -> str:
    """Return a query for the pods at a place of SovereignWorkloads that are not ready."""
    pods = latest("sovereign_pods", "namespace", "workload", where=f'place="{place}"')
    return f"{pods} and on (namespace, workload) {NOT_READY}"
