"""The text of ``preview``."""

from sovereign_operator.cli.answers.preview import Preview
from sovereign_operator.cli.show.blocks import Block, Table, lines
from sovereign_operator.cli.show.common import unread_lines


def show_preview(answer: Preview, *, wide: bool) -> list[Block]:
    """Return the text of ``preview``."""
    headings = ("NAMESPACE", "WORKLOAD", *(("POLICY", "PODS") if wide else ()), "TRIGGER", "OUTCOME", "REASON")
    rows = tuple(
        (
            *(row.namespace, row.workload),
            *((row.policy, str(row.pods)) if wide else ()),
            *(row.trigger, row.outcome, row.reason),
        )
        for row in answer.rows
    )
    ignored = f"Nothing follows here from objects of other kinds: {', '.join(answer.ignored)}."
    others = ", ".join(answer.elsewhere)
    elsewhere = f"The files also hold objects of other namespaces: {others}. Name one with -n, or look at all with -A."
    return [
        lines(*(f"If {change}:" for change in answer.change[:1]), *(f"and {change}:" for change in answer.change[1:])),
        Table(headings, rows),
        lines(*answer.called),
        lines(
            f"{answer.summary}. Nothing was changed.",
            ignored if answer.ignored else "",
            elsewhere if answer.elsewhere else "",
        ),
        lines("What no preview knows:", *(f"  {entry}" for entry in answer.not_known))
        if wide
        else lines("What no preview can know: -o wide."),
        unread_lines(answer),
    ]
