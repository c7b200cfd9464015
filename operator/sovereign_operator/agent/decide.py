"""Decides what to do about a sandbox: load rules, refuse them, keep them or forget it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sovereign_operator.agent.sandboxes import Sandbox
from sovereign_operator.core.encryption.traffic_rules import Datagrams, Network
from sovereign_operator.core.sidecar.contract import (
    PROBE_PORTS,
    Probe,
    container_of,
    listens_for_peers,
    probes_of,
    transit_policy,
)
from sovereign_operator.dataplane.redirect import rules_of


@dataclass(frozen=True)
class SidecarPod:
    """A pod of this node with a sidecar. None of these fields can change while the pod exists."""

    uid: str
    namespace: str
    name: str
    policy: str
    """The policy whose transit config its sidecar loads."""
    probes: tuple[Probe, ...] = ()
    """The probes in its sidecar's arguments, without paths and headers, which rules do not depend on."""
    keeps_peers: bool = False
    """Whether its sidecar listens on PEER_PORT."""
    arguments_error: str = ""
    """Why there can be no rules: the sidecar's arguments cannot be parsed. Empty if they can."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class LoadRules:
    """Load these rules in the sandbox's network namespace."""

    pod: SidecarPod
    sandbox: Sandbox
    rules: str


@dataclass(frozen=True)
class RefuseRules:
    """Load nothing, for good: there can be no rules for this pod. It never starts."""

    pod: SidecarPod
    why: str


@dataclass(frozen=True)
class KeepRules:
    """Do nothing: the right rules are loaded."""

    sandbox: Sandbox


@dataclass(frozen=True)
class ForgetSandbox:
    """Forget the sandbox: it is gone, or its pod has no sidecar."""


Decision = LoadRules | RefuseRules | KeepRules | ForgetSandbox


def see_pod(obj: Mapping[str, Any]) -> SidecarPod | None:
    """Keep the fields of a pod with a sidecar that rules depend on; None for other pods.

    A pod in its node's network has no network namespace of its own to load rules into.
    """
    sidecar = container_of(obj)
    if sidecar is None or obj["spec"].get("hostNetwork"):
        return None
    metadata = obj["metadata"]
    known = metadata["uid"], metadata["namespace"], metadata["name"], transit_policy(obj)
    try:
        probes = probes_of(sidecar)
    except ValueError as error:
        return SidecarPod(*known, arguments_error=str(error))
    # One probe more than there are ports is enough: it has the rules refused, however many follow.
    kept = tuple(Probe(probe.kind, probe.port) for probe in probes[: len(PROBE_PORTS) + 1])
    return SidecarPod(*known, kept, keeps_peers=listens_for_peers(obj))


def decide_sandbox(
    pod: SidecarPod | None,
    sandbox: Sandbox | None,
    loaded: str | None,
    datagrams: Sequence[Datagrams] | None,
    name_servers: Sequence[Network] = (),
) -> Decision:
    """Decide about a sandbox.

    ``pod`` is the pod that has the sandbox's name now, and ``loaded`` the rules that were loaded last. ``datagrams``
    are those that the pod's policy lets pass, None if all may. ``name_servers`` are those of the node's pods.
    """
    if pod is None or sandbox is None or pod.uid != sandbox.pod_uid:
        return ForgetSandbox()
    if pod.arguments_error:
        return RefuseRules(pod, pod.arguments_error)
    try:
        rules = rules_of(pod.probes, datagrams, name_servers, sandbox.addresses if pod.keeps_peers else ())
    except ValueError as error:
        return RefuseRules(pod, str(error))
    return KeepRules(sandbox) if rules == loaded else LoadRules(pod, sandbox, rules)
