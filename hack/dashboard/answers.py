"""What a panel shows, from the answers to its queries, as Grafana computes it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hack.dashboard.description import Level, Levels, Panel
from hack.dashboard.prometheus import Sample

Answers = Sequence[Sequence[Sample]]
"""The results of each query of a panel."""


@dataclass(frozen=True)
class Cell:
    """A text, and what its value means."""

    text: str
    level: Level | None = None


@dataclass(frozen=True)
class Table:
    """Titles of columns, how many of them are labels, and the rows."""

    titles: tuple[str, ...]
    labels: int
    rows: tuple[tuple[Cell, ...], ...]


EMPTY = Cell("")


def number(panel: Panel, answers: Answers) -> Cell:
    """Return the number of a panel, or the words that stand for none."""
    (query,), (samples,) = panel.queries, answers
    return _cell(query.levels, samples[0].value) if samples else Cell(panel.empty)


def table(panel: Panel, answers: Answers) -> Table:
    """Return the rows of a table: results that agree in all labels which every result has are one row."""
    shared = shared_labels(panel, answers)
    rows: dict[tuple[str, ...], dict[str, Cell]] = {}
    worst: dict[tuple[str, ...], float] = {}
    for query, samples in zip(panel.queries, answers, strict=True):
        for sample in samples:
            key = tuple(sample.labels[label] for label in shared)
            row = rows.setdefault(key, {})
            # Further spaces are not seen in HTML.
            row |= {label: Cell(" ".join(value.split())) for label, value in sample.labels.items()}
            if query.shown:
                row[query.name] = _cell(query.levels, sample.value)
            if query.name == panel.worst:
                worst[key] = sample.value
    order = sorted(rows, key=lambda key: (-worst.get(key, 0.0), key))
    shown = [query.name for query in panel.queries if query.shown]
    columns = (*(label for label, _ in panel.labels), *shown)
    return Table(
        (*(title for _, title in panel.labels), *shown),
        len(panel.labels),
        tuple(tuple(rows[key].get(column, EMPTY) for column in columns) for key in order),
    )


def shared_labels(panel: Panel, answers: Answers) -> list[str]:
    """Return the labels of a table that all results have, in the order of its columns."""
    found = [{*sample.labels} for samples in answers for sample in samples]
    return [label for label, _ in panel.labels if all(label in labels for labels in found)]


def _cell(levels: Levels, value: float) -> Cell:
    return Cell(text_of(value), level_of(levels, value))


def text_of(value: float) -> str:
    """Return a value without decimals."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return "" if math.isnan(value) else f"{value:.0f}"


def level_of(levels: Levels, value: float) -> Level | None:
    """Return the level of a value; None if there are no levels."""
    found = [level for begin, level in levels if begin is None or value >= begin]
    return found[-1] if found else None
