"""A report in short, for a person at a terminal. Files for auditors are HTML, CSV and JSON."""

from sovereign_operator.cli.answers.answer import plural
from sovereign_operator.cli.answers.report import AuditReport
from sovereign_operator.cli.answers.report_rows import PlaceRow, count_places
from sovereign_operator.cli.show.blocks import Block, Table, lines
from sovereign_operator.cli.show.report_csv import guards_word
from sovereign_operator.core.report.conditions import timestamp


def show_report(answer: AuditReport) -> list[Block]:
    """Return the text of ``report``."""
    rows = tuple(
        (
            row.namespace,
            row.workload,
            row.policy,
            row.mode,
            str(len(place.pods)),
            place.place,
            place.datacentre,
            _basis(place),
        )
        for row in answer.workloads or ()
        for place in row.places
    )
    found = answer.findings
    return [
        lines(
            f"Cluster {answer.cluster or '(unknown)'}, {f'namespace {answer.scope}, ' if answer.scope else ''}"
            f"{timestamp(answer.at)}, asked by {answer.asked_by.user or '(unknown)'}",
            f"Guards: {guards_word(answer)}. Pods held to policies: {_held(answer)}.",
        ),
        Table(("NAMESPACE", "WORKLOAD", "POLICY", "MODE", "PODS", "PLACE", "DATACENTRE", "BASIS"), rows),
        lines(f"{plural(len(found), 'finding')}:", *(f"  {text}" for text in found))
        if found
        else lines("Nothing found."),
    ]


def _held(answer: AuditReport) -> str:
    """Say how many pods that are held to policies are where."""
    if answer.workloads is None:
        return f"unknown: you may not read {answer.unread_of('pods') or 'the labels of namespaces'}"
    counts = count_places(answer.workloads)
    return ", ".join(f"{number} {word}" for word, number in counts.items() if number) or "none"


def _basis(place: PlaceRow) -> str:
    return "; ".join(place.basis) or place.why
