"""What to do about a sandbox, from what is known of it and of its pod. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sovereign_operator.agent.sandboxes import Sandbox
from sovereign_operator.core.encryption.traffic_rules import Datagrams, Network
from sovereign_operator.core.sidecar.contract import PROBE_PORTS, Probe, container_of, probes_of, transit_policy
from sovereign_operator.dataplane.redirect import rules_of


@dataclass(frozen=True)
class SidecarPod:
    """A pod of this node that has a sidecar. Nothing here can change in its life."""

    uid: str
    namespace: str
    name: str
    policy: str
    """That its sidecar goes by."""
    probes: tuple[Probe, ...] = ()
    """What its sidecar is told of probes, as far as rules depend on it: no paths and headers, which may be long."""
    misunderstood: str = ""
    """Why there can be no rules, if its sidecar is told what cannot be understood."""

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
    """Nothing is to be done: what is loaded there is right."""

    sandbox: Sandbox


@dataclass(frozen=True)
class ForgetSandbox:
    """The sandbox is gone, or it is none of a pod with a sidecar: what was loaded does not matter any more."""


Decision = LoadRules | RefuseRules | KeepRules | ForgetSandbox


def see_pod(obj: Mapping[str, Any]) -> SidecarPod | None:
    """Keep what matters of a pod with a sidecar.

    A pod in the network of its node has no network namespace of its own, so that nothing could be loaded.
    """
    sidecar = container_of(obj)
    if sidecar is None or obj["spec"].get("hostNetwork"):
        return None
    metadata = obj["metadata"]
    known = metadata["uid"], metadata["namespace"], metadata["name"], transit_policy(obj)
    try:
        probes = probes_of(sidecar)
    except ValueError as error:
        return SidecarPod(*known, misunderstood=str(error))
    # One that is too many is enough to know of.
    return SidecarPod(*known, tuple(Probe(probe.kind, probe.port) for probe in probes[: len(PROBE_PORTS) + 1]))


def decide(
    pod: SidecarPod | None,
    sandbox: Sandbox | None,
    loaded: str | None,
    datagrams: Sequence[Datagrams] | None,
    name_servers: Sequence[Network] = (),
) -> Decision:
    """Decide about a sandbox.

    ``pod`` is the one of its name, ``loaded`` the rules that were loaded in it last, and ``datagrams`` which may pass
    by the pod's policy, None if all may. ``name_servers`` are the node's pods'.
    """
    if pod is None or sandbox is None or pod.uid != sandbox.pod_uid:
        return ForgetSandbox()
    if pod.misunderstood:
        return RefuseRules(pod, pod.misunderstood)
    try:
        rules = rules_of(pod.probes, datagrams, name_servers)
    except ValueError as error:
        return RefuseRules(pod, str(error))
    return KeepRules(sandbox) if rules == loaded else LoadRules(pod, sandbox, rules)
