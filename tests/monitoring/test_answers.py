"""What panels show of the answers to their queries."""

import math

import pytest

from hack.dashboard.answers import Cell, level_of, number, shared_labels, table, text_of
from hack.dashboard.description import BAD_IF_ANY, DAYS_LEFT, PLAIN, Kind, Level, Levels, Panel, Query
from hack.dashboard.prometheus import Sample

NODES = Query("nodes", "Nodes")
OUTSIDE = Query("outside", "Outside", BAD_IF_ANY)
MODE = Query("mode", shown=False)
TABLE = Panel(
    "Policies",
    "",
    Kind.TABLE,
    8,
    6,
    (NODES, OUTSIDE, MODE),
    labels=(("policy", "Policy"), ("mode", "Mode")),
    worst="Outside",
)
NUMBER = Panel("Outside", "", Kind.NUMBER, 3, 3, (OUTSIDE,), empty="nothing")


def of(value: float, **labels: str) -> Sample:
    return Sample(labels, value)


def test_results_with_the_same_labels_are_one_row_and_the_worst_is_the_first() -> None:
    nodes = [of(2, policy="a"), of(3, policy="b"), of(1, policy="c")]
    outside = [of(0, policy="a"), of(7, policy="b")]
    found = table(TABLE, [nodes, outside, [of(1, policy="b", mode="Strict")]])
    assert found.titles == ("Policy", "Mode", "Nodes", "Outside")
    assert found.labels == 2
    assert [[cell.text for cell in row] for row in found.rows] == [
        ["b", "Strict", "3", "7"],
        ["a", "", "2", "0"],
        ["c", "", "1", ""],
    ]
    assert found.rows[0][-1] == Cell("7", Level.BAD)


def test_without_results_there_are_no_rows() -> None:
    assert table(TABLE, [[], [], []]).rows == ()
    assert number(NUMBER, [[]]) == Cell("nothing")


def test_a_number_has_its_level() -> None:
    assert number(NUMBER, [[of(4)]]) == Cell("4", Level.BAD)


def test_only_labels_that_all_results_have_join_rows() -> None:
    assert shared_labels(TABLE, [[of(1, policy="a")], [], [of(1, policy="a", mode="Off")]]) == ["policy"]


@pytest.mark.parametrize(
    ("levels", "value", "level"),
    [
        (PLAIN, 5, None),
        (BAD_IF_ANY, 0, Level.GOOD),
        (BAD_IF_ANY, 1, Level.BAD),
        (DAYS_LEFT, -3, Level.BAD),
        (DAYS_LEFT, 6.9, Level.BAD),
        (DAYS_LEFT, 7, Level.WARNING),
        (DAYS_LEFT, 29.9, Level.WARNING),
        (DAYS_LEFT, math.inf, Level.GOOD),
    ],
)
def test_a_level_begins_at_its_value(levels: Levels, value: float, level: Level | None) -> None:
    assert level_of(levels, value) is level


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (22.9, "23"), (math.inf, "∞"), (-math.inf, "-∞"), (math.nan, "")]
)
def test_values_have_no_decimals(value: float, text: str) -> None:
    assert text_of(value) == text
