"""The texts of ``status``, ``nodes``, ``check`` and ``version``."""

from collections.abc import Sequence

from sovereign_operator.cli.answers.answer import plural
from sovereign_operator.cli.answers.check import Check
from sovereign_operator.cli.answers.endings import when
from sovereign_operator.cli.answers.nodes import NodeList, Standing, nowhere
from sovereign_operator.cli.answers.standing import LostNode
from sovereign_operator.cli.answers.status import Status
from sovereign_operator.cli.answers.status_rows import DatacentreRow, PolicyRow
from sovereign_operator.cli.answers.version import CHART_FROM, Version
from sovereign_operator.cli.show.blocks import Block, Lines, Table, lines, table
from sovereign_operator.cli.show.common import MOST_ROWS, or_unknown, unread_lines


def show_status(answer: Status, *, wide: bool) -> list[Block]:
    """Return the text of ``status``."""
    found = answer.findings
    nothing = "Nothing found in what you may read." if answer.unread else "Nothing found."
    attention = (f"{plural(len(found), 'finding')}:", *(f"  {text}" for text in found)) if found else (nothing,)
    return [
        _policies(answer, wide=wide),
        _datacentres(answer, wide=wide),
        _namespaces(answer),
        _workloads(answer, wide=wide),
        _derogations(answer),
        lines(_nowhere(answer)),
        lines(*attention),
        unread_lines(answer),
    ]


def _nowhere(answer: Status) -> str:
    if not answer.nodes or not answer.nodes_nowhere:
        return ""
    return f"{nowhere(answer.nodes_nowhere, answer.nodes)}: kubectl sovereign nodes"


def _policies(answer: Status, *, wide: bool) -> Table:
    return Table(
        ("POLICY", "READY", "DATACENTRES", "NODES", "NAMESPACES", "NEXT END", *(("MESSAGE",) if wide else ("REASON",))),
        tuple(
            (
                row.policy,
                row.ready,
                or_unknown(row.datacentres),
                or_unknown(row.nodes),
                _namespace_count(row),
                _end(row),
                row.message if wide else row.reason,
            )
            for row in answer.policies or ()
        ),
    )


def _namespace_count(row: PolicyRow) -> str:
    """Say how many namespaces enforce a policy, and how many only try it."""
    tries = f", {row.tried_by} {'tries' if row.tried_by == 1 else 'try'} it" if row.tried_by else ""
    return f"{or_unknown(row.used_by)}{tries}"


def _end(row: PolicyRow | DatacentreRow) -> str:
    """Say what ends next; nothing if nothing does."""
    return when(row.next_end, row.days) if row.end_known else "unknown"


def _datacentres(answer: Status, *, wide: bool) -> Table:
    return Table(
        (
            "DATACENTRE",
            "READY",
            "SERVICE",
            "COUNTRY",
            "NODES",
            "NEXT END",
            "ACCEPTED BY",
            *(("MESSAGE",) if wide else ()),
        ),
        tuple(
            (
                row.datacentre,
                row.ready,
                row.service,
                row.country,
                or_unknown(row.nodes),
                _end(row),
                or_unknown(row.accepted_by),
                *((row.message,) if wide else ()),
            )
            for row in answer.datacentres or ()
        ),
    )


def _namespaces(answer: Status) -> Table:
    rows = answer.namespaces or ()
    return table(
        ("NAMESPACE", "POLICY", "MODE", "PODS", "INSIDE", "OUTSIDE", "PENDING", "UNKNOWN"),
        [
            (
                *(row.namespace, row.policy if row.known else f"{row.policy or 'none'} (does not exist)", row.mode),
                *map(str, (row.pods, row.inside, row.outside, row.pending, row.unknown)),
            )
            for row in rows
        ],
        narrow=7,
        wide=any(row.unknown for row in rows),
    )


def _workloads(answer: Status, *, wide: bool) -> Table:
    return Table(
        ("NAMESPACE", "SOVEREIGNWORKLOAD", "WORKLOAD", "POLICY", "READY", "REASON", *(("MESSAGE",) if wide else ())),
        tuple(
            (
                row.namespace,
                row.name,
                row.workload,
                row.policy,
                row.ready,
                row.reason,
                *((row.message,) if wide else ()),
            )
            for row in answer.workloads or ()
        ),
    )


def _derogations(answer: Status) -> Table:
    return Table(
        ("DEROGATION", "POLICY", "SERVICE", "SCHEME", "STANDING", "ASKED BY", "APPROVED BY", "END", "REASON"),
        tuple(
            (
                *(row.name, row.policy, row.service, row.scheme, row.standing),
                *(row.asked_by or "nobody known", row.approved_by or "nobody", when(row.until, row.days), row.reason),
            )
            for row in answer.derogations or ()
        ),
    )


def show_nodes(answer: NodeList, *, wide: bool) -> list[Block]:
    """Return the text of ``nodes``."""
    headings = ("NODE", "DATACENTRE", "EVIDENCE", "ACCEPTED BY", "REASON", "UID", "REGION", "ZONE", "PROVIDERID")
    rows = [
        (
            *(row.node, row.datacentre or "none", row.evidence or "", ",".join(row.accepted_by), ",".join(row.reasons)),
            *(row.uid, row.region, row.zone, row.provider_id),
        )
        for row in answer.nodes
    ]
    without = [row.node for row in answer.nodes if "NotInDatacentre" in row.reasons]
    declare = (
        f" If you know where they stand: kubectl sovereign nodes declare {' '.join(without[:3])}" if without else ""
    )
    shown = table(headings, rows, narrow=5, wide=wide)
    wrong = [row for row in answer.nodes if row.why and "NotInDatacentre" not in row.reasons]
    return [
        shown,
        lines(f"{answer.summary.capitalize()}.{declare}"),
        _wrong_nodes((*wrong, *answer.lost), wide=wide),
        unread_lines(answer),
    ]


def _wrong_nodes(rows: Sequence[Standing | LostNode], *, wide: bool) -> Lines:
    """Say of nodes what is wrong with their place, and what to do about each."""
    shown = rows if wide else rows[:MOST_ROWS]
    left = len(rows) - len(shown)
    return lines(
        *(text for row in shown for text in (f"{row.why}.", f"  What to do: {row.next}")),
        f"{left} more are left out: -o wide shows all." if left else "",
    )


def show_check(answer: Check, *, wide: bool) -> list[Block]:
    """Return the text of ``check``. It is the same if it is ``wide``."""
    del wide
    rows = tuple(
        (item.result, item.check, f"{item.found}{f'; {item.next}' if item.next else ''}") for item in answer.items
    )
    return [Table(("RESULT", "CHECK", "FOUND, AND WHAT TO DO"), rows), unread_lines(answer)]


def show_version(answer: Version, *, wide: bool) -> list[Block]:
    """Return the text of ``version``. It is the same if it is ``wide``."""
    del wide
    refused = answer.unread_of(CHART_FROM)
    missing = f"unknown: you may not read {refused}" if refused else "not found"
    chart = f"{answer.chart} in namespace {answer.namespace}" if answer.chart else missing
    crds = tuple((crd.name, ",".join(crd.served) if crd.found else "missing", crd.version) for crd in answer.crds)
    return [
        lines(f"Client: {answer.client}", f"Kubernetes: {answer.server or 'not found'}", f"Chart: {chart}"),
        Table(
            ("PROCESS", "VERSION", "IMAGE"), tuple((row.process, row.version, row.image) for row in answer.processes)
        ),
        Table(("KIND", "SERVED", "VERSION"), crds),
        unread_lines(answer),
    ]
