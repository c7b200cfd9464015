"""The picture in the documentation shows what the dashboard shows, and can be read."""

import re
from xml.etree import ElementTree as ET

import pytest

from hack.dashboard.description import Kind
from hack.dashboard.panels import PANELS
from hack.dashboard.picture import COLOURS, FAINT, INK, LINES, bends, step_of
from tests.monitoring.picture import FILE, render
from tests.needs import AS_ROOT, needing

NAMESPACE = {"svg": "http://www.w3.org/2000/svg"}
LARGEST = 150_000
CONTRAST = 4.5
"""Of text to its background, by WCAG 2.2 (1.4.3)."""


@needing(AS_ROOT, "debootstrap")
def test_it_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == render(), "run python -m tests.monitoring.picture"


def test_it_has_all_panels_and_is_small() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST
    shown = [found.text for found in ET.fromstring(text).iterfind(".//svg:text", NAMESPACE)]
    assert {panel.title for panel in PANELS} <= {*shown}
    assert "SovereignPodsOutside" in shown


def test_who_cannot_see_it_can_read_the_numbers() -> None:
    root = ET.fromstring(FILE.read_text(encoding="utf-8"))
    said = root.findtext("svg:desc", "", NAMESPACE)
    assert "Pods outside: 3" in said
    assert root.get("role") == "img"


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, by WCAG 2.2."""
    parts = [int(part, 16) / 255 for part in re.findall(r"[0-9a-f]{2}", colour)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [*COLOURS.values(), *(colour for colour, _ in LINES), INK, FAINT])
def test_each_colour_can_be_read_on_white(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= CONTRAST


def test_lines_differ_by_more_than_their_colour() -> None:
    dashes = [dashes for _, dashes in LINES]
    assert len(dashes) == len({*dashes})
    assert len(LINES) >= max(len(panel.queries) for panel in PANELS if panel.kind is Kind.LINES)


@pytest.mark.parametrize(
    ("highest", "step"), [(0, 1), (1, 1), (5, 1), (6, 2), (10, 2), (11, 5), (36, 10), (51, 20), (999, 200)]
)
def test_an_axis_has_few_round_marks(highest: float, step: int) -> None:
    assert step_of(highest) == step


def test_a_line_keeps_the_points_where_it_bends() -> None:
    points = [(float(when), float(value)) for when, value in enumerate([0, 0, 0, 1, 1, 1, 0])]
    assert bends(points) == [(0, 0), (2, 0), (3, 1), (5, 1), (6, 0)]
    assert bends(points[:1]) == [(0, 0)] * 2
