"""Sentences about pods whose encryption is incomplete, which the statuses of policies and workloads share."""

from collections.abc import Iterable

from sovereign_operator.core.encryption.agent_report import SilentAgents
from sovereign_operator.core.encryption.rollout import CLAIMED, OTHER_USER
from sovereign_operator.core.report.conditions import examples

CONDITION = "Encrypted"


def unsaid(silence: SilentAgents) -> str:
    """Return a sentence about pods whose agents have not reported their rules."""
    return f"UDP may leave in plaintext, as {silence}"


def plaintext_open(pods: Iterable[str]) -> str:
    """Return a sentence about pods with open plaintext connections, and what ends these."""
    return (
        f"plaintext connections of before are open in {examples(sorted(pods))}: their sidecars end these within "
        "seconds; restart (kubectl rollout restart) what is named here for longer"
    )


def static_pods(pods: Iterable[str]) -> str:
    """Return a sentence about static pods."""
    return (
        f"no step waits for static pods, which have no sidecar: {examples(sorted(pods))}: run your own as DaemonSets "
        "instead; if nobody created one, remove the node that shows it from the cluster"
    )


def claimed(pods: Iterable[str]) -> str:
    """Return a sentence about pods whose addresses Services claim."""
    return f"what the sidecars of {examples(sorted(pods))} say cannot be trusted: {CLAIMED}"


def bypassed(pods: Iterable[str]) -> str:
    """Return a sentence about pods that bypass their sidecar."""
    return f"of {examples(sorted(pods))} a container's traffic goes past the sidecar: {OTHER_USER}"
