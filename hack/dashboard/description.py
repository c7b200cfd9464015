"""What the parts of a dashboard are. The panels themselves are in ``panels``."""

import enum
from dataclasses import dataclass
from typing import Final


class Level(enum.Enum):
    """What a value means for the reader; a dashboard shows it as a colour beside the value."""

    GOOD = "green"
    WARNING = "orange"
    BAD = "red"


Levels = tuple[tuple[float | None, Level], ...]
"""From which value on which level applies; the first entry has None and applies below the others."""

PLAIN: Final[Levels] = ()
BAD_IF_ANY: Final[Levels] = ((None, Level.GOOD), (1, Level.BAD))
WARNING_IF_ANY: Final[Levels] = ((None, Level.GOOD), (1, Level.WARNING))
BAD_IF_NONE: Final[Levels] = ((None, Level.BAD), (1, Level.GOOD))
DAYS_LEFT: Final[Levels] = ((None, Level.BAD), (7, Level.WARNING), (30, Level.GOOD))
"""As the alerts have it: a warning in the last 30 days, urgent in the last 7."""


@dataclass(frozen=True)
class Query:
    """A query and its name: the title of a column or the name of a line.

    ``shown`` is False if a table only needs the labels of the results.
    """

    expression: str
    name: str = ""
    levels: Levels = PLAIN
    shown: bool = True


class Kind(enum.Enum):
    """How a panel shows its queries."""

    NUMBER = "stat"
    """One query, whose result is one number."""
    TABLE = "table"
    """A row for each combination of labels, a column for each label and query."""
    LINES = "timeseries"
    """Lines over time: one for each query."""


@dataclass(frozen=True)
class Panel:
    """A part of the dashboard, with one subject.

    ``width`` counts in the grid's 24 columns, ``height`` in its rows. ``labels`` are the columns of a table by label,
    each with its title; queries that lack one of these labels complete the rows of those that have it. ``worst`` names
    the column by which rows are sorted, the highest value first. ``runbook`` names sections of RUNBOOK.md.
    """

    title: str
    about: str
    kind: Kind
    width: int
    height: int
    queries: tuple[Query, ...]
    labels: tuple[tuple[str, str], ...] = ()
    worst: str = ""
    runbook: tuple[str, ...] = ()
    empty: str = "no data"
    """What it shows if no query has a result."""
