"""Sentences about pods whose encryption is incomplete, which the statuses of policies and workloads share."""

from collections.abc import Iterable

from sovereign_operator.core.encryption.agent_report import SilentAgents
from sovereign_operator.core.encryption.api_server import REMEDY
from sovereign_operator.core.encryption.rollout import CLAIMED, CLOSED_TO_CONTROLLER, CUT_OFF_FROM_SIGNERS, OTHER_USER
from sovereign_operator.core.report.conditions import examples

CONDITION = "Encrypted"


def unsaid(silence: SilentAgents) -> str:
    """Return a sentence about pods whose agents have not reported their rules."""
    return f"UDP may leave in plaintext, as {silence}"


def plaintext_open(pods: Iterable[str]) -> str:
    """Return a sentence about pods with open plaintext connections, and what ends these."""
    return (
        f"plaintext connections that Strict forbids are open in {examples(sorted(pods))}: sidecars end them within "
        "seconds; restart a pod that stays in this message (kubectl rollout restart)"
    )


def static_pods(pods: Iterable[str]) -> str:
    """Return a sentence about static pods."""
    return (
        f"no step waits for static pods, which have no sidecar: {examples(sorted(pods))}: run your own as DaemonSets "
        "instead; if nobody created one, remove the node that shows it from the cluster"
    )


def claimed(pods: Iterable[str]) -> str:
    """Return a sentence about pods whose addresses Services claim."""
    return f"other pods may answer for the sidecars of {examples(sorted(pods))}, because {CLAIMED}"


def closed(pods: Iterable[str]) -> str:
    """Return a sentence about pods whose sidecars the controller cannot poll."""
    return f"it is not known what {examples(sorted(pods))} have loaded, because {CLOSED_TO_CONTROLLER}"


def cut_off(pods: Iterable[str]) -> str:
    """Return a sentence about pods whose sidecars cannot ask the signers for certificates."""
    return f"{examples(sorted(pods))} wait for their certificates, because {CUT_OFF_FROM_SIGNERS}"


def called(pods: Iterable[str]) -> str:
    """Return a sentence about pods that the API server calls in vain."""
    return f"the API server has no certificate, and cannot call {examples(sorted(pods))}: {REMEDY}"


def bypassed(pods: Iterable[str]) -> str:
    """Return a sentence about pods that bypass their sidecar."""
    return f"a container in {examples(sorted(pods))} bypasses the sidecar because {OTHER_USER}"
