"""Sentences about pods, for people who may not list nodes. Statuses of workloads and policies share them."""

from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.report.reasons import line, sentences


def runs_outside(pod: str, node: str, verdict: NodeVerdict | None) -> str:
    """Say why a pod is outside. ``verdict``: the policy's on its node; None: there is no such node."""
    why = sentences(verdict.findings) if verdict else f"node {node} is gone"
    return f"{pod} runs on {node}: {why}"


def unreadable_pod(namespace: str, pod: str) -> str:
    """Say that a pod cannot be read, and what to do."""
    return (
        f"{pod} cannot be read, and counts as outside: delete it, kubectl -n {namespace} delete pod {pod}; the log of "
        "the controller says what is wrong with it"
    )


def waits(pod: str, policy: str, accepted_nodes: int, said: str) -> str:
    """Say why a pod waits for a node, of which its policy accepts some. ``said``: the scheduler's message."""
    said = line(said) or "the scheduler has not looked at it yet"
    return f"{pod}: {accepted_nodes} node(s) are accepted by policy {policy}; the scheduler says: {said}"


def nowhere_to_run(policy: str) -> str:
    """Say that a policy accepts no node."""
    return (
        f"no node is accepted by policy {policy}: ask a cluster admin to read "
        f"`kubectl describe sovereigntypolicy {policy}`"
    )
