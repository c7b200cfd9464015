"""What a report is made from, of the small cluster."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.answers.report import AuditReport, ReportSeen, make_report
from sovereign_operator.cli.answers.report_pods import PodSeen
from sovereign_operator.cli.answers.report_rows import AskedBy
from sovereign_operator.cli.answers.status_rows import WorkloadRow
from sovereign_operator.cli.answers.version import Version
from sovereign_operator.core.workload.facts import WorkloadPod
from sovereign_operator.core.workload.owner import Owner
from sovereign_operator.core.workload.scope import Judge, Mode
from tests.builders import NOW
from tests.unit.cli.clusters import POLICY, estate

RECORDS: Final = Owner("apps/v1", "Deployment", "records")
HELD: Final = Judge(POLICY, Mode.ENFORCE)
CLAIM: Final = WorkloadRow(
    "hospital", "records", "Deployment/records", POLICY, 2, 2, 0, 0, "True", "AllInside", "all inside"
)
VERSION: Final = Version(
    client="0.1.0", server="v1.37.2", chart="sovereign-operator-0.1.0", namespace="x", processes=(), crds=()
)


def pod(
    name: str = "records-1",
    node: str | None = "brest-1",
    *,
    namespace: str = "hospital",
    owner: Owner = RECORDS,
    judges: tuple[Judge, ...] = (HELD,),
    placed_for: str | None = POLICY,
    transit: str = "",
    recorded: Mapping[str, str] | None = None,
    unreadable: bool = False,
    waiting: str = "",
) -> PodSeen:
    """Build a pod that is inside by default."""
    return PodSeen(
        namespace,
        WorkloadPod(name, f"uid-of-{name}", node, waiting, unreadable=unreadable),
        owner,
        judges,
        by_pod_label=False,
        placed_for=placed_for,
        static=False,
        transit=transit,
        recorded=recorded or {},
    )


def seen(*pods: PodSeen, **fields: Any) -> ReportSeen:
    """Build what was read, by somebody who may read all."""
    usual: dict[str, Any] = {
        "scope": "",
        "at": NOW,
        "cluster": "c0ffee00-0000-4000-8000-000000000000",
        "asked_by": AskedBy("auditor", ("system:authenticated",)),
        "version": VERSION,
        "namespaces": {"hospital": POLICY},
        "pods": pods,
        "sovereign_workloads": (),
        "guards": (),
        "recorded": {},
        "not_covered": ("It does not cover volumes.",),
    }
    return ReportSeen(**usual | fields)


def report(*pods: PodSeen, found: Any = None, unread: Iterable[Unread] = (), **fields: Any) -> AuditReport:
    """Build a report. ``found``: the estate."""
    answer = make_report(seen(*pods, **fields), found or estate())
    return AuditReport(**{name: getattr(answer, name) for name in answer.__dataclass_fields__} | {"unread": (*unread,)})


def hospital() -> AuditReport:
    """Build the report that the page shows."""
    archive = Owner("postgresql.cnpg.io/v1", "Cluster", "archive")
    return report(
        pod("records-1", "brest-1"),
        pod("records-2", "lyon-1"),
        pod("archive-1", "brest-1", owner=archive),
        pod("archive-2", "paris-1", owner=archive),
        sovereign_workloads=(CLAIM,),
        scope="hospital",
    )
