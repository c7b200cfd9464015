"""What the texts of several commands have in common."""

from collections.abc import Sequence
from typing import Final

from sovereign_operator.cli.answers.answer import Answer
from sovereign_operator.cli.answers.placing import Judged, NodeRow
from sovereign_operator.cli.show.blocks import Block, Lines, Table, lines

MOST_ROWS: Final = 20
"""Nodes of each kind that a table shows, unless it is wide."""


def unread_lines(answer: Answer) -> Lines:
    """Say what the caller may not read."""
    if not answer.unread:
        return lines()
    named = ", ".join(dict.fromkeys(str(unread) for unread in answer.unread))
    return lines(f"You may not read: {named}. What follows from these is left out.")


def next_line(advice: str) -> Lines:
    """Say what to do. No full stop follows: people copy the command at the end."""
    return lines(f"What to do: {advice}")


def node_table(rows: Sequence[NodeRow], *, wide: bool) -> list[Block]:
    """Show nodes for a pod, of those that are accepted and those that are refused the first ones."""
    shown: list[NodeRow] = []
    for refused in (False, True):
        of_kind = [row for row in rows if (row.verdict is Judged.REFUSED) is refused]
        shown += of_kind if wide else of_kind[:MOST_ROWS]
    cells = tuple((row.node, row.verdict, row.datacentre or "", _reason(row)) for row in shown)
    left = len(rows) - len(shown)
    more = f"{left} more nodes are left out: -o wide shows all." if left else ""
    return [Table(("NODE", "POLICY", "DATACENTRE", "WHY"), cells), lines(more)]


def _reason(row: NodeRow) -> str:
    if row.lacks:
        return f"the pod's own rules: it {'; it '.join(row.lacks)}"
    return row.why if row.labelled else f"{row.why}; the operator has not labelled it yet"


def or_unknown(value: object) -> str:
    """Return a value as text, and say so if it is not known."""
    return "unknown" if value in {None, ""} else str(value)
