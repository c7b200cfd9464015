"""Text for people: tables and lines, in a terminal with colours and as wide as it is, elsewhere as kubectl has them."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from sovereign_operator.core.report.conditions import MAX_MESSAGE
from sovereign_operator.core.report.reasons import line

GAP: Final = 3
"""Spaces between columns."""
LEAST: Final = 30
"""Characters of the last column of a table, which holds sentences, for it to be broken into lines."""

STYLES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("accepted", "inside", "ok", "True", "runs"), "green"),
    **dict.fromkeys(("refused", "outside", "bad", "False", "hangs", "cut off"), "red"),
    **dict.fromkeys(("pending", "unknown", "Unknown", "moves", "cannot tell"), "yellow"),
}
"""How words of the first columns look in a terminal that has colours. Nothing is said by colour alone."""


@dataclass(frozen=True)
class Table:
    """Rows below headings. Without rows, nothing is shown."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Lines:
    """Sentences, one a line."""

    lines: tuple[str, ...]


Block = Table | Lines


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, narrow: int, wide: bool) -> Table:
    """Return a table of which only the first columns, as many as ``narrow`` says, are shown unless it is ``wide``."""
    columns = len(headings) if wide else narrow
    return Table(tuple(headings[:columns]), tuple(tuple(row[:columns]) for row in rows))


def lines(*texts: str) -> Lines:
    """Return a block of those lines that are not empty."""
    return Lines(tuple(filter(None, texts)))


def print_blocks(blocks: Iterable[Block]) -> None:
    """Print blocks with an empty line between them."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        text = render(blocks)
        sys.stdout.write(text)
        return
    for number, block in enumerate(filter(_has_content, blocks)):
        if number:
            console.print()
        if isinstance(block, Lines):
            for entry in block.lines:
                # The terminal breaks it: people copy commands out of it.
                console.print(Text(safe(entry)), soft_wrap=True)
        else:
            _print_table(console, block)


def render(blocks: Iterable[Block]) -> str:
    """Return blocks as text whose lines are never broken, for pipes and files."""
    parts = []
    for block in filter(_has_content, blocks):
        rows = [[entry] for entry in block.lines] if isinstance(block, Lines) else [block.headings, *block.rows]
        parts.append("".join(f"{entry}\n" for entry in _aligned([[safe(cell) for cell in row] for row in rows])))
    return "\n".join(parts)


def safe(text: str) -> str:
    """Return text as one line that does a terminal no harm: others wrote parts of it. It stays indented."""
    bare = text.lstrip(" ")
    return " " * (len(text) - len(bare)) + line(bare, MAX_MESSAGE)


def _has_content(block: Block) -> bool:
    return bool(block.lines if isinstance(block, Lines) else block.rows)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    gap = " " * GAP
    return [gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _print_table(console: Console, table: Table) -> None:
    """Print a table. If it does not fit beside its last column, the terminal breaks the lines."""
    rows = [[safe(cell) for cell in row] for row in table.rows]
    *widths, last = (max(map(len, column)) for column in zip(table.headings, *rows, strict=True))
    if sum(width + GAP for width in widths) + min(last, LEAST) > console.width:
        console.print(Text(render([table]).removesuffix("\n")), soft_wrap=True)
        return
    shown = RichTable(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for heading in table.headings[:-1]:
        shown.add_column(heading, no_wrap=True)
    shown.add_column(table.headings[-1], overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    console.print(shown)
