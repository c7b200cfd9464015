"""The guard of the controller's token accepts the transit configs that the operator writes, and no others.

The guard is CEL, which the API server alone evaluates. These tests read its replacements and patterns, and apply them.
"""

import json
import re
from collections.abc import Callable

import pytest

from tests.chart.rendering import ENCRYPTION, Render, of_kind
from tests.orders import FORGED, orders

GUARD = "sovereignty-guard-controller-marks"
TEXT = r'("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')'

Guard = Callable[[str], bool]


def literal(text: str) -> str:
    """Return the value of a CEL string."""
    read: str = json.loads(text if text.startswith('"') else '"' + text[1:-1].replace('"', '\\"') + '"')
    return read


@pytest.fixture(scope="module")
def steps(render: Render) -> list[tuple[str, str]]:
    """Return the replacements that the guard makes, in order, as (before, after)."""
    guard = of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy")[GUARD]["spec"]
    expressions = {entry["name"]: entry["expression"] for entry in guard["variables"]}
    assert re.fullmatch(r"variables.listeners.map\(text, text[.].*\)", expressions["flat"])
    assert re.fullmatch(r"variables.flat.map\(text, text[.].*\)", expressions["half"], re.DOTALL)
    assert re.fullmatch(r"variables.half.map\(text, text[.].*\)", expressions["most"], re.DOTALL)
    assert re.fullmatch(r"variables.most.map\(text, text[.].*\)", expressions["named"], re.DOTALL)
    return [
        (literal(before), literal(after))
        for part in ("flat", "half", "most", "named")
        for before, after in re.findall(rf"[.]replace\({TEXT}, {TEXT}\)", expressions[part])
    ]


@pytest.fixture(scope="module")
def known(render: Render, steps: list[tuple[str, str]]) -> Guard:
    """Return a function that says whether the guard accepts a text."""
    guard = of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy")[GUARD]["spec"]
    validations = [entry["expression"] for entry in guard["validations"]]
    assert "variables.listeners.all(text, !text.contains('<'))" in validations
    assert "variables.named.size() <= 4" in validations
    matching = rf"variables.named.size\(\) <= ([0-9]) [|][|] variables.named\[\1\].matches\({TEXT}\)"
    patterns = {found[1]: literal(found[2]) for each in validations if (found := re.fullmatch(matching, each))}
    assert sorted(patterns) == ["0", "1", "2", "3"]
    (pattern,) = set(patterns.values())

    def judge(text: str) -> bool:
        if "<" in text:
            return False
        for before, after in steps:
            text = text.replace(before, after)
        return re.fullmatch(pattern, text, re.ASCII) is not None

    return judge


def test_it_lets_through_whatever_the_operator_writes(known: Guard) -> None:
    for order in orders():
        for key, text in order.items():
            assert known(text), (key, text)


def test_a_config_map_can_hold_whatever_the_operator_writes() -> None:
    """Its data may have 1 MiB, of which other keys need little."""
    assert max(sum(map(len, order.values())) for order in orders()) < 1_000_000


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED.keys())
def test_it_lets_nothing_else_through(known: Guard, text: str) -> None:
    assert not known(text)


def test_each_piece_that_it_knows_is_one_that_the_operator_writes(steps: list[tuple[str, str]]) -> None:
    """The guard must not accept text that is no longer written."""
    used = set()
    for order in orders():
        for text in order.values():
            for before, after in steps:
                if before in text:
                    used.add(before)
                text = text.replace(before, after)  # noqa: PLW2901 - step by step
    assert used == {before for before, _ in steps}


def test_no_string_can_begin_in_one_piece_and_end_in_another(steps: list[tuple[str, str]]) -> None:
    """Each piece begins and ends outside of strings, so the text between pieces is outside of strings, too."""
    for before, after in steps:
        if not before.isspace() and before != "\n}":
            assert before.startswith('"')
            assert "\\" not in before
            assert len(re.findall(r'"[^"\n]*"', before)) * 2 == before.count('"')
            assert re.fullmatch("<[a-z-]+=?>", after)
