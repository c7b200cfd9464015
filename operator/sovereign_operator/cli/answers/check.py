"""Whether the operator is healthy, led, guarding and up to date: one line each, with what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.cli.answers.answer import FOUND, NOT_ANSWERED, NOTHING_FOUND, Answer, plural
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.version import CrdVersion
from sovereign_operator.core.admission.guards import GuardFinding
from sovereign_operator.core.encryption.api_server import REMEDY
from sovereign_operator.core.encryption.node_lacks import NodeLacks
from sovereign_operator.core.report.conditions import examples
from sovereign_operator.core.workload.readiness import CURRENT, Readiness

AGENT: Final = "sovereign-agent"
"""The DaemonSet of agents, which the chart installs with encryption."""
POWERS: Final = {
    "controller": "it can have pods start on any node",
    "signer": "it holds the keys of certificates",
    "injector": "it writes pods",
}
"""What somebody gets who controls the node of a process."""
INSTALL: Final = "install the chart with the presets that you want: helm upgrade --install (README, Use it)"


class Result(StrEnum):
    """What a check found."""

    OK = "ok"
    BAD = "bad"
    NOTE = "note"
    """Nothing is wrong, but a person should know."""
    UNKNOWN = "unknown"
    """It could not be checked."""


@dataclass(frozen=True)
class Item:
    """One line."""

    check: str
    result: Result
    found: str
    next: str = ""
    """What to do; empty if nothing."""


@dataclass(frozen=True, kw_only=True)
class Check(Answer):
    """The answer to ``check``."""

    items: tuple[Item, ...]

    @property
    def findings(self) -> tuple[str, ...]:
        """What is bad."""
        return tuple(f"{item.check}: {item.found}" for item in self.items if item.result is Result.BAD)

    @property
    def exit_code(self) -> int:
        """1 if something is bad; 2 if nothing is, but something could not be checked."""
        if self.findings:
            return FOUND
        return NOT_ANSWERED if any(item.result is Result.UNKNOWN for item in self.items) else NOTHING_FOUND


@dataclass(frozen=True)
class ProcessSeen:
    """A Deployment or a DaemonSet of the operator."""

    name: str
    kind: str
    readiness: Readiness
    ready: int
    wanted: int
    version: str


@dataclass(frozen=True)
class LeaseSeen:
    """The Lease of a process of which one replica leads."""

    process: str
    holder: str
    renewed: datetime | None
    seconds: int
    """How long it is valid after it was renewed."""


@dataclass(frozen=True)
class OperatorSeen:
    """What was read of the operator. None: the caller may not read it."""

    client: str
    namespace: str
    crds: tuple[CrdVersion, ...] | None
    processes: tuple[ProcessSeen, ...] | None
    leases: tuple[LeaseSeen, ...] | None
    guards: tuple[GuardFinding, ...] | None
    hosts: Mapping[str, frozenset[str]] | None
    """By policy, the nodes that its host role lists."""
    now: datetime
    lacks: Mapping[str, NodeLacks] | None = field(default_factory=dict)
    """By node, what it lacks to redirect the traffic of pods, as its agent reports."""
    places: Mapping[str, frozenset[str]] | None = field(default_factory=dict)
    """By component, the nodes that its pods run on."""


Called = Mapping[tuple[str, str], str]
"""By namespace and name of a pod: on which ports the API server calls it, which Strict refuses, and for what."""
NONE_CALLED: Final[Called] = {}


def check_operator(seen: OperatorSeen, estate: Estate | None, called: Called | None = NONE_CALLED) -> Check:
    """Check an installation. ``estate``: None if a CRD is missing, so that nothing follows from what is there.

    ``called``: the pods of policies that ask for Strict; None: the caller may not read it.
    """
    if seen.crds is not None and not any(crd.found for crd in seen.crds) and not seen.processes:
        return Check(items=(Item("installed", Result.BAD, "the operator is not installed on this cluster", INSTALL),))
    items = (
        *_check_crds(seen),
        *_check_processes(seen),
        *_check_nodes(seen),
        *_check_leases(seen),
        *_check_guards(seen),
        *_check_versions(seen),
        *_check_written(seen, estate),
        *_check_places(seen, estate),
        *_check_called(estate, called),
    )
    return Check(items=items)


def unknown(check: str, what: str) -> Item:
    """Return a line about what the caller may not read."""
    return Item(check, Result.UNKNOWN, f"you may not read {what}", "ask a cluster admin to run the same command")


def _check_crds(seen: OperatorSeen) -> list[Item]:
    if seen.crds is None:
        return [unknown("kinds", "CustomResourceDefinitions")]
    missing = [crd.name for crd in seen.crds if not crd.found]
    if missing:
        found = f"missing or being deleted: {', '.join(missing)}; until they are there, the operator changes nothing"
        return [
            Item("kinds", Result.BAD, found, "helm upgrade, then restore the objects from your repository or backup")
        ]
    return [Item("kinds", Result.OK, f"all {len(seen.crds)} are there")]


def _check_processes(seen: OperatorSeen) -> list[Item]:
    if seen.processes is None:
        return [unknown("healthy", f"Deployments in namespace {seen.namespace}")]
    if not seen.processes:
        found = f"there is no process of the operator in namespace {seen.namespace}"
        return [Item("healthy", Result.BAD, found, f"{INSTALL}; if it is in another namespace: --operator-namespace")]
    return [_check_process(seen.namespace, process) for process in seen.processes]


def _check_process(namespace: str, process: ProcessSeen) -> Item:
    counted = f"{process.ready} of {process.wanted} ready"
    if process.wanted == 0 and process.kind == "Deployment":
        advice = f"kubectl -n {namespace} scale deployment {process.name} --replicas=2"
        return Item(process.name, Result.BAD, "it is scaled to no replica", advice)
    if process.readiness == CURRENT:
        return Item(process.name, Result.OK, counted)
    advice = f"kubectl -n {namespace} describe {process.kind.lower()} {process.name}"
    return Item(process.name, Result.BAD, f"{counted}: {process.readiness.message}", advice)


def _check_nodes(seen: OperatorSeen) -> list[Item]:
    """Check what the agents say of their nodes."""
    if not any(process.name == AGENT for process in seen.processes or ()):
        return []
    if seen.lacks is None:
        return [unknown("nodes can encrypt", f"ConfigMaps in namespace {seen.namespace}")]
    if not seen.lacks:
        return [Item("nodes can encrypt", Result.OK, "no agent reports that its node lacks anything")]
    return [
        Item(f"node {node}", Result.BAD if lack.starts_none else Result.NOTE, lack.what, lack.advice)
        for node, lacks in sorted(seen.lacks.items())
        for lack in lacks
    ]


def _check_leases(seen: OperatorSeen) -> list[Item]:
    if seen.leases is None:
        return [unknown("led", f"Leases in namespace {seen.namespace}")]
    return [_check_lease(lease, seen) for lease in seen.leases]


def _check_lease(lease: LeaseSeen, seen: OperatorSeen) -> Item:
    check, logs = f"{lease.process} leads", f"kubectl -n {seen.namespace} logs deployment/{lease.process}"
    if not lease.holder or lease.renewed is None:
        return Item(check, Result.BAD, "no replica leads, so nothing is decided anew", logs)
    age = max(0, round((seen.now - lease.renewed).total_seconds()))
    found = f"{lease.holder}, which renewed its Lease {age} s ago"
    if age > lease.seconds:
        return Item(check, Result.BAD, f"{found}: it expired after {lease.seconds} s, so nothing is decided anew", logs)
    return Item(check, Result.OK, found)


def _check_guards(seen: OperatorSeen) -> list[Item]:
    if seen.guards is None:
        return [unknown("guarded", "admission policies, webhooks, or the lists of them that the chart installed")]
    if not seen.guards:
        return [Item("guarded", Result.OK, "all guards are as the chart installed them")]
    return [
        Item("guarded", Result.NOTE if finding.drifted else Result.BAD, str(finding), finding.mend)
        for finding in seen.guards
    ]


def _check_versions(seen: OperatorSeen) -> list[Item]:
    versions = {process.version for process in seen.processes or ()} | {crd.version for crd in seen.crds or ()}
    versions.discard("")
    if not versions:
        return []
    if len(versions) > 1:
        found = f"parts of several versions are installed: {', '.join(sorted(versions))}"
        return [Item("up to date", Result.BAD, found, "run the upgrade again: the last one did not complete")]
    (version,) = versions
    if version != seen.client:
        found = f"version {version} is installed, this client is of version {seen.client}"
        advice = f"from a checkout of the operator's repository of version {version}: pipx install --force '.[cli]'"
        return [Item("up to date", Result.NOTE, found, advice)]
    return [Item("up to date", Result.OK, f"version {version}, as this client")]


def _check_written(seen: OperatorSeen, estate: Estate | None) -> list[Item]:
    """Check that what guards refuse by is what follows from the facts now."""
    if estate is None:
        return []
    if seen.hosts is None or not estate.judged:
        return [unknown("decided", "ClusterRoles, nodes, or the facts that verdicts rest on")]
    behind = [
        policy
        for policy in sorted(estate.facts.policies)
        if seen.hosts.get(policy) != frozenset(estate.verdicts.accepted_nodes(policy))
    ]
    if behind:
        found = f"the operator has not carried out yet which nodes may host {examples(behind)}"
        advice = (
            f"wait some seconds and ask again; then kubectl -n {seen.namespace} logs deployment/sovereign-controller"
        )
        return [Item("decided", Result.BAD, found, advice)]
    count = plural(len(estate.facts.policies), "policy", "policies")
    return [Item("decided", Result.OK, f"the nodes that may host {count} are those that follow from the facts")]


def _check_places(seen: OperatorSeen, estate: Estate | None) -> list[Item]:
    """Name the nodes that no policy accepts, and with which a process of the operator can be had."""
    if estate is None or not estate.judged or not any(map(estate.verdicts.accepted_at_all, estate.facts.nodes)):
        return []
    check = "where it runs"
    if seen.places is None:
        return [unknown(check, f"pods in namespace {seen.namespace}")]
    return [
        Item(
            check,
            Result.NOTE,
            f"the {component} runs on {examples(refused)}, which no policy accepts: {power}",
            f"set {component}.nodeSelector in the chart's values",
        )
        for component, power in POWERS.items()
        if (refused := sorted(n for n in seen.places.get(component, ()) if not estate.verdicts.accepted_at_all(n)))
    ]


def _check_called(estate: Estate | None, called: Called | None) -> list[Item]:
    """Check that Strict cuts the API server off from nothing, where a policy asks for Strict."""
    check = "webhooks reached"
    specs = estate.facts.policies.values() if estate else ()
    asked = (spec.encryption_in_transit for spec in specs if spec.encryption_in_transit)
    if not any(spec.mode is EncryptionMode.STRICT for spec in asked):
        return []
    if called is None:
        return [unknown(check, "webhooks, APIServices, CustomResourceDefinitions, or pods")]
    if called:
        pods = [f"{namespace}/{name} ({phrase})" for (namespace, name), phrase in sorted(called.items())]
        found = f"Strict refuses the API server, which calls {plural(len(pods), 'pod')}: {examples(pods)}"
        return [Item(check, Result.BAD, found, REMEDY)]
    return [Item(check, Result.OK, "the API server calls no pod that refuses it in Strict")]
