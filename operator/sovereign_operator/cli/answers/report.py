"""A report for auditors: where all sovereign workloads run, on what basis, and what the report does not cover."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.cli.answers.answer import Answer, Unread
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.report_facts import (
    report_acceptances,
    report_derogations,
    report_nodes,
    report_policies,
    report_services,
)
from sovereign_operator.cli.answers.report_pods import PodSeen, report_workloads
from sovereign_operator.cli.answers.report_rows import (
    AcceptanceRow,
    AskedBy,
    GuardRow,
    ReportedDerogation,
    ReportedNode,
    ReportedPolicy,
    ReportedVersions,
    ReportedWorkload,
    ServiceRow,
)
from sovereign_operator.cli.answers.status import StatusSeen, report_status
from sovereign_operator.cli.answers.status_rows import DatacentreRow, WorkloadRow
from sovereign_operator.cli.answers.version import Version
from sovereign_operator.core.admission.guards import GuardFinding
from sovereign_operator.core.encryption.rollout import needs_sidecar
from sovereign_operator.core.workload.judged_owner import Result
from sovereign_operator.core.workload.scope import Mode

FAILED = (Result.FAIL.value, Result.ERROR.value, "unknown")
"""The results that are findings, where pods are held to a policy."""


@dataclass(frozen=True)
class ReportSeen:
    """What was read besides the estate. None: the caller may not read it."""

    scope: str
    """The one namespace that was asked about; empty: all."""
    at: datetime
    cluster: str
    """The uid of namespace kube-system, which stands for the cluster; empty if it may not be read."""
    asked_by: AskedBy
    version: Version
    namespaces: Mapping[str, str] | None
    """The namespaces that enforce a policy, with it."""
    pods: tuple[PodSeen, ...] | None
    sovereign_workloads: tuple[WorkloadRow, ...] | None
    guards: tuple[GuardFinding, ...] | None
    recorded: Mapping[tuple[str, str], Mapping[str, Any]]
    """By plural and name, the statuses that the operator wrote."""
    not_covered: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AuditReport(Answer):
    """The answer to ``report``. A section is None if the caller may not read it."""

    cluster: str
    """The uid of namespace kube-system; empty if it could not be read."""
    at: datetime
    """The API server's time."""
    asked_by: AskedBy
    scope: str
    """The one namespace that it covers; empty: all."""
    versions: ReportedVersions
    guards: tuple[GuardRow, ...] | None
    """Those that are not as the chart installed them."""
    workloads: tuple[ReportedWorkload, ...] | None
    sovereign_workloads: tuple[WorkloadRow, ...] | None
    policies: tuple[ReportedPolicy, ...] | None
    acceptances: tuple[AcceptanceRow, ...] | None
    datacentres: tuple[DatacentreRow, ...] | None
    services: tuple[ServiceRow, ...] | None
    derogations: tuple[ReportedDerogation, ...] | None
    nodes: tuple[ReportedNode, ...] | None
    not_carried_out: tuple[str, ...]
    """A sentence for each policy whose pods may still start on nodes that it refuses."""
    unreadable: tuple[str, ...]
    """Objects that are invalid, so that the operator cannot read them either."""
    not_covered: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the caller may read none of what a report is about."""
        return self.workloads is None and self.sovereign_workloads is None

    @property
    def findings(self) -> tuple[str, ...]:
        """What an auditor has to ask about."""
        return (
            *self._of_guards(),
            *self.not_carried_out,
            *self._of_workloads(),
            *self._of_policies(),
            *self._of_reading(),
        )

    def _of_guards(self) -> list[str]:
        if self.guards is None:
            return ["whether the guards are intact is not known: they, or the lists of them, could not be read"]
        return [f"{row.guard} {row.found}" for row in self.guards if not row.drifted]

    def _of_workloads(self) -> list[str]:
        if self.workloads is None:
            return ["where pods run is not known: they, or the labels of their namespaces, could not be read"]
        failed = [row for row in self.workloads if row.mode == Mode.ENFORCE.value and row.result in FAILED]
        found = [f"{row.namespace}: {row.workload}, policy {row.policy}: {row.message}" for row in failed]
        told = {(row.namespace, row.workload) for row in failed}
        found += [
            f"{row.namespace}: SovereignWorkload {row.name}: {row.message}"
            for row in self.sovereign_workloads or ()
            if row.ready == "False" and (row.namespace, row.workload) not in told
        ]
        return found

    def _of_policies(self) -> list[str]:
        used = {row.policy for row in self.workloads or () if row.mode == Mode.ENFORCE.value}
        return [
            f"policy {row.policy}: its traffic is not encrypted as it demands: {row.encryption_message}"
            for row in self.policies or ()
            if row.policy in used
            and row.encryption_demanded not in ("", EncryptionMode.OFF)
            and row.encrypted != "True"
        ]

    def _of_reading(self) -> list[str]:
        found = [f"{name} is invalid, and cannot be read" for name in self.unreadable]
        return found + [f"you may not {call_of(one)}, so what follows from that is left out" for one in self.unread]


def call_of(unread: Unread) -> str:
    """Return the call that was refused: ``list nodes``, ``get namespaces kube-system``."""
    return f"{'get' if unread.name else 'list'} {unread}"


def make_report(seen: ReportSeen, estate: Estate) -> AuditReport:
    """Put a report together."""
    status = report_status(
        StatusSeen(seen.namespaces, (), seen.sovereign_workloads, seen.recorded, seen.scope), estate, seen.at
    )
    policies = report_policies(status.policies, estate, seen.recorded)
    claims = {(row.namespace, row.workload): row.name for row in seen.sovereign_workloads or ()}
    workloads = (
        None
        if seen.pods is None
        else report_workloads(seen.pods, estate, needing_sidecars=_needing_sidecars(policies), claims=claims)
    )
    guards, version = seen.guards, seen.version
    return AuditReport(
        cluster=seen.cluster,
        at=seen.at,
        asked_by=seen.asked_by,
        scope=seen.scope,
        versions=ReportedVersions(version.client, version.server, version.chart, version.processes),
        guards=None
        if guards is None
        else tuple(GuardRow(f"{one.kind} {one.name}", one.what, one.drifted) for one in guards),
        workloads=workloads,
        sovereign_workloads=seen.sovereign_workloads,
        policies=policies,
        acceptances=report_acceptances(estate),
        datacentres=status.datacentres,
        services=report_services(estate, seen.at),
        derogations=report_derogations(status.derogations, estate),
        nodes=report_nodes(estate, workloads or ()),
        not_carried_out=status.not_carried_out,
        unreadable=_unreadable(estate),
        not_covered=seen.not_covered,
    )


def _needing_sidecars(policies: tuple[ReportedPolicy, ...] | None) -> frozenset[str] | None:
    """Return the policies whose pods need a sidecar, where sidecars are installed; None if they could not be read."""
    if policies is None:
        return None
    return frozenset(
        row.policy
        for row in policies
        if row.encryption
        and needs_sidecar(
            EncryptionMode(row.encryption_demanded) if row.encryption_demanded else None, EncryptionMode(row.encryption)
        )
    )


def _unreadable(estate: Estate) -> tuple[str, ...]:
    unread = estate.facts.unread
    kinds = {
        "CloudService": unread.services,
        "Datacentre": unread.datacentres,
        "Derogation": unread.derogations,
        "SovereigntyPolicy": unread.policies,
    }
    return tuple(f"{kind} {name}" for kind, found in kinds.items() for name in sorted(found))
