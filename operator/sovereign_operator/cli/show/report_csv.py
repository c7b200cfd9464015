"""A report as CSV (RFC 4180, UTF-8): a row for each workload, policy and place. Each row says all that it needs."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

from sovereign_operator.cli.answers.report import AuditReport, call_of
from sovereign_operator.cli.answers.report_rows import PlaceRow, ReportedWorkload
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.core.report.reasons import line

COLUMNS: Final = (
    *("namespace", "workload", "sovereignWorkload", "policy", "mode", "result", "place", "pods", "plaintextPods"),
    *("datacentre", "service", "provider", "country", "evidence", "legalBasis", "decisions", "validUntil"),
    *("derogations", "foreignLaws", "nodes", "podNames", "message", "cluster", "at", "askedBy", "guards", "unread"),
)
FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet takes for a formula, also in the wide forms of East Asian fonts.

Source: https://owasp.org/www-community/attacks/CSV_Injection. Tabs and line breaks, which it names as well, are spaces
at the beginning of no cell: see ``_cell``.
"""
SPLIT: Final = re.compile(rf"([;,|][\s\"']*)(?=[{re.escape(''.join(FORMULA))}])")
"""Where a cell begins for a program that takes another separator: in French, for example, Excel takes semicolons."""
MARK: Final = "'"
"""What a spreadsheet takes at the beginning of a cell as: this is text."""
UNREAD: Final = "may not be read"
LONGEST: Final = 32_000
"""Characters of a cell. A cell of Excel has at most 32,767.

Source: https://support.microsoft.com/en-us/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
"""


def as_csv(answer: AuditReport) -> str:
    """Return a report as CSV. What could not be read of a place says so, and the column ``unread`` names the calls.

    Without any workload, one row says so, and why.
    """
    shown = io.StringIO(newline="")
    writer = csv.writer(shown, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    shared = _shared(answer)
    rows = [_cells(row, place) for row in answer.workloads or () for place in row.places]
    for cells in rows or [_nothing(answer)]:
        writer.writerow(_cell(text) for text in (*cells, *shared))
    return shown.getvalue()


def _nothing(answer: AuditReport) -> Iterable[str]:
    """Say why there is no workload, in the column ``message``."""
    why = "where pods run could not be read" if answer.workloads is None else "no pod is judged by a policy"
    own = COLUMNS[: COLUMNS.index("cluster")]
    return (why if column == "message" else "" for column in own)


def _cells(row: ReportedWorkload, place: PlaceRow) -> Iterable[str]:
    return (
        *(row.namespace, row.workload, row.sovereign_workload, row.policy, row.mode, row.result, place.place),
        *(str(len(place.pods)), _plaintext(place)),
        *(place.datacentre, place.service, provider_of(place), country_of(place), place.evidence),
        "; ".join(place.basis),
        _of_basis(place, "; ".join(place.decisions)),
        _of_basis(place, place.until.isoformat() if place.until else ""),
        _of_basis(place, "; ".join(place.derogations)),
        laws_of(place),
        "; ".join(sorted({pod.node for pod in place.pods if pod.node})),
        "; ".join(pod.pod for pod in place.pods),
        row.why_at(place),
    )


def _plaintext(place: PlaceRow) -> str:
    """Return how many pods have no sidecar that they need; empty if it is not known which need one."""
    bare = [pod.without_sidecar for pod in place.pods]
    return "" if None in bare else str(sum(map(bool, bare)))


def _shared(answer: AuditReport) -> tuple[str, ...]:
    """Return what is the same in all rows."""
    return (
        *(answer.cluster, timestamp(answer.at), answer.asked_by.user, guards_word(answer)),
        "; ".join(call_of(one) for one in answer.unread),
    )


def guards_word(answer: AuditReport) -> str:
    """Say whether the guards are as the chart installed them: intact, changed or unknown."""
    if answer.guards is None:
        return "unknown"
    return "changed" if any(not row.drifted for row in answer.guards) else "intact"


def _of_basis(place: PlaceRow, text: str) -> str:
    """Return what a place's acceptance rests on."""
    return text if place.basis_read or not place.basis else UNREAD


def provider_of(place: PlaceRow) -> str:
    """Return provider and name of the service of a place; empty if it has none."""
    return place.provider or (UNREAD if place.service and not place.facts_read else "")


def country_of(place: PlaceRow) -> str:
    """Return the country of a place; empty if its pods are in no datacentre."""
    return place.country or (UNREAD if place.datacentre and not place.facts_read else "")


def laws_of(place: PlaceRow) -> str:
    """Say which laws outside the EU reach the service of a place; empty if it has none."""
    if not place.service:
        return ""
    return UNREAD if place.foreign_laws is None and not place.facts_read else laws_words(place.foreign_laws)


def laws_words(laws: tuple[str, ...] | None) -> str:
    """Say which laws outside the EU reach a service."""
    if laws is None:
        return "not known"
    return ", ".join(sorted(laws)) or "none"


def _cell(text: str) -> str:
    """Return text as one line that no spreadsheet takes for a formula: others wrote parts of it."""
    cell = SPLIT.sub(rf"\1{MARK}", line(text, LONGEST))
    return f"{MARK}{cell}" if cell.startswith(FORMULA) else cell
