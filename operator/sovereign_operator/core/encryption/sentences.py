"""What policies and workloads say alike of pods whose encryption is not as it should be."""

from collections.abc import Iterable

from sovereign_operator.core.encryption.agent_report import SilentAgents
from sovereign_operator.core.encryption.rollout import CLAIMED, OTHER_USER
from sovereign_operator.core.report.conditions import examples

CONDITION = "Encrypted"


def unsaid(silence: SilentAgents) -> str:
    """Say of which pods no agent has said that their rules are loaded."""
    return f"UDP may leave in plaintext, as {silence}"


def plaintext_open(pods: Iterable[str]) -> str:
    """Say in which pods plaintext connections are open, and what ends them."""
    return (
        f"plaintext connections of before are open in {examples(sorted(pods))}: their sidecars end these within "
        "seconds; restart (kubectl rollout restart) what is named here for longer"
    )


def static_pods(pods: Iterable[str]) -> str:
    """Say what is known of pods of which nothing but their nodes say that they run."""
    return (
        f"no step waits for static pods, which have no sidecar: {examples(sorted(pods))}: run your own as DaemonSets "
        "instead; if nobody created one, remove the node that shows it from the cluster"
    )


def claimed(pods: Iterable[str]) -> str:
    """Say for which pods somebody else may answer."""
    return f"what the sidecars of {examples(sorted(pods))} say cannot be trusted: {CLAIMED}"


def bypassed(pods: Iterable[str]) -> str:
    """Say of which pods traffic goes past the sidecar."""
    return f"of {examples(sorted(pods))} a container's traffic goes past the sidecar: {OTHER_USER}"
