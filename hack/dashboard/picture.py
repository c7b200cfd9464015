"""Draws what the dashboard shows of a Prometheus, as SVG.

Colours keep a contrast of at least 4.5 to white, and lines differ by their dashes, too.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final, assert_never

from hack.dashboard.answers import Answers, Cell, Table, number, table, text_of
from hack.dashboard.description import Kind, Level, Panel
from hack.dashboard.grafana import COLUMNS, dashboard, places
from hack.dashboard.prometheus import Line, Prometheus

COLUMN: Final = 50
ROW: Final = 34
GAP: Final = 6
HEAD: Final = 44
LINE_HEIGHT: Final = 22
"""Of the rows of a table."""
CHARACTER: Final = 6.3
"""Pixels that a character takes on average."""
STEPS: Final = 180
"""Points of a line."""

INK: Final = "#1f2328"
FAINT: Final = "#59636e"
COLOURS: Final = {Level.GOOD: "#1a7f37", Level.WARNING: "#8f5600", Level.BAD: "#b3261e"}
LINES: Final = (("#0060a8", ""), ("#b34700", "7 3"), ("#00705a", "2 3"))
"""Colour and dashes of the lines of a panel."""

STYLE: Final = (
    "text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px}"
    ".t{font-weight:600;font-size:13px}.n{font-size:30px;font-weight:600;text-anchor:middle}"
    ".e{font-size:14px;text-anchor:middle}.r{text-anchor:end}.m{text-anchor:middle}.b{font-weight:700}"
)


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels."""

    x: float
    y: float
    width: float
    height: float


def draw(server: Prometheus, start: float, end: float) -> str:
    """Return the dashboard between two times (Unix time) as SVG. Raises QueryError."""
    whole = dashboard()
    panels = [*places()]
    height = HEAD + max(y + panel.height for panel, _, y in panels) * ROW + GAP
    width = COLUMNS * COLUMN + GAP
    until = datetime.fromtimestamp(end, UTC)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="a b">',
        f'<title id="a">Dashboard: {escape(whole["title"])}</title>',
        f'<desc id="b">{escape(describe(server, end))}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#f6f8fa"/>',
        text(2 * GAP, 28, whole["title"], "t"),
        text(width - 2 * GAP, 28, f"{until:%d %B %Y, %H:%M} UTC, last {(end - start) / 3600:.0f} hours", "r", FAINT),
    ]
    for panel, x, y in panels:
        box = Box(
            x * COLUMN + GAP,
            y * ROW + HEAD,
            panel.width * COLUMN - GAP,
            panel.height * ROW - GAP,
        )
        parts += draw_panel(panel, box, server, start, end)
    return "\n".join([*parts, "</svg>", ""])


def describe(server: Prometheus, at: float) -> str:
    """Return the numbers in words, for readers who do not see the picture."""
    panels = [panel for panel, _, _ in places() if panel.kind is Kind.NUMBER]
    shown = [(panel.title, number(panel, ask(panel, server, at)).text) for panel in panels]
    return "; ".join(f"{title}: {value}" for title, value in shown)


def ask(panel: Panel, server: Prometheus, at: float) -> Answers:
    """Return the answers to a panel's queries at one time."""
    return [server.query(query.expression, at) for query in panel.queries]


def draw_panel(panel: Panel, box: Box, server: Prometheus, start: float, end: float) -> Iterator[str]:
    """Yield the elements of one panel."""
    yield (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="4" fill="#fff" stroke="#d1d9e0"/>'
    )
    yield text(box.x + 10, box.y + 19, panel.title, "t")
    inner = Box(box.x + 10, box.y + 28, box.width - 20, box.height - 36)
    match panel.kind:
        case Kind.NUMBER:
            yield draw_number(number(panel, ask(panel, server, end)), inner)
        case Kind.TABLE:
            rows = table(panel, ask(panel, server, end))
            if rows.rows:
                yield from draw_table(rows, inner)
            else:
                yield draw_nothing(panel.empty, inner)
        case Kind.LINES:
            step = (end - start) / STEPS
            found = [(query.name, server.query_range(query.expression, start, end, step)) for query in panel.queries]
            answered = [(name, lines[0]) for name, lines in found if lines]
            if answered:
                yield from draw_lines(answered, inner, start, end)
            else:
                yield draw_nothing(panel.empty, inner)
        case _:
            assert_never(panel.kind)


def text(x: float, y: float, words: str, kind: str = "", colour: str = INK) -> str:
    """Return a line of text."""
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.5g}" y="{y:.5g}"{style} fill="{colour}">{escape(words)}</text>'


def colour_of(cell: Cell) -> str:
    """Return the colour of a value."""
    return COLOURS[cell.level] if cell.level else INK


def draw_number(cell: Cell, box: Box) -> str:
    """Return one number, or the words that stand for none."""
    known = cell.level is not None
    middle = box.x + box.width / 2
    return text(middle, box.y + box.height - 10, cell.text, "n" if known else "e", colour_of(cell) if known else FAINT)


def draw_nothing(words: str, box: Box) -> str:
    """Return the words that stand for no result."""
    return text(box.x + box.width / 2, box.y + box.height / 2, words, "e", FAINT)


def draw_table(found: Table, box: Box) -> Iterator[str]:
    """Yield the rows that have room."""
    used = [place for place in range(len(found.titles)) if any(row[place].text for row in found.rows)]
    room = int(box.height // LINE_HEIGHT) - 1
    shown = found.rows if len(found.rows) <= room else found.rows[: room - 1]
    sizes = [max(len(found.titles[place]), *(len(row[place].text) for row in found.rows)) * CHARACTER for place in used]
    spare = (box.width - sum(sizes)) / len(used)
    edges = [box.x]
    for size in sizes:
        edges.append(edges[-1] + size + spare)
    heads = tuple(Cell(title) for title in found.titles)
    for line, row in enumerate((heads, *shown)):
        y = box.y + line * LINE_HEIGHT + 14
        for column, place in enumerate(used):
            is_label = place < found.labels
            x = edges[column] if is_label else edges[column + 1] - 4
            cell = row[place]
            alarming = cell.level in {Level.WARNING, Level.BAD}
            kind = " ".join(filter(None, ("" if is_label else "r", "b" if alarming else "")))
            if cell.text:
                yield text(x, y, cell.text, kind, colour_of(cell) if line else FAINT)
        yield f'<path d="M{box.x} {y + 6:.5g}h{box.width}" stroke="#e6eaef"/>'
    if len(shown) < len(found.rows):
        below = box.y + (len(shown) + 1) * LINE_HEIGHT + 14
        yield text(box.x, below, f"and {len(found.rows) - len(shown)} more", "", FAINT)


def draw_lines(found: Sequence[tuple[str, Line]], box: Box, start: float, end: float) -> Iterator[str]:
    """Yield axes, lines, and a legend with the last values."""
    plot = Box(box.x + 26, box.y + 6, box.width - 44, box.height - 48)
    tick = step_of(max(value for _, line in found for _, value in line.points))
    top = tick * max(1, math.ceil(max(value for _, line in found for _, value in line.points) / tick))
    bottom = plot.y + plot.height
    for value in range(0, top + 1, tick):
        y = bottom - plot.height * value / top
        yield f'<path d="M{plot.x:.5g} {y:.5g}h{plot.width:.5g}" stroke="#e6eaef"/>'
        yield text(plot.x - 5, y + 4, str(value), "r", FAINT)
    hour = math.ceil(start / 3600) * 3600
    while hour <= end:
        x = plot.x + plot.width * (hour - start) / (end - start)
        yield text(x, bottom + 15, f"{datetime.fromtimestamp(hour, UTC):%H:%M}", "m", FAINT)
        hour += 7200
    left = box.x
    for (name, line), (colour, dashes) in zip(found, LINES, strict=False):
        points = " ".join(
            f"{plot.x + plot.width * (when - start) / (end - start):.1f},{bottom - plot.height * value / top:.1f}"
            for when, value in bends(line.points)
        )
        style = f'stroke="{colour}" stroke-width="2"' + (f' stroke-dasharray="{dashes}"' if dashes else "")
        yield f'<polyline points="{points}" fill="none" {style}/>'
        y = box.y + box.height - 4
        yield f'<path d="M{left:.5g} {y - 4:.5g}h20" {style}/>'
        words = f"{name}: {text_of(line.points[-1][1])}"
        yield text(left + 25, y, words, "", INK)
        left += 25 + len(words) * CHARACTER + 16


def step_of(highest: float) -> int:
    """Return a round distance between marks of an axis: at most six of them, or one."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if highest / (size * factor) <= 5:  # noqa: PLR2004 - few enough to read
                return size * factor
        size *= 10


def bends(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a line's points without those in the middle of a level part."""
    inner = [
        point
        for before, point, after in zip(points, points[1:], points[2:], strict=False)
        if not before[1] == point[1] == after[1]
    ]
    return [points[0], *inner, points[-1]]
