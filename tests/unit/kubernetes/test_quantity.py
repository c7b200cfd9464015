"""Quantities as Kubernetes writes them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.kubernetes.quantity import parse, render

WRITTEN = {
    "100m": "0.1",
    "1.5": "1.5",
    ".5": "0.5",
    "2.": "2",
    "64Mi": "67108864",
    "1.5Gi": "1610612736",
    "1k": "1000",
    "1e3": "1000",
    "1E-2": "0.01",
    "1E": "1e18",
    "+7n": "7e-9",
    "-3u": "-3e-6",
}


@pytest.mark.parametrize(("text", "number"), WRITTEN.items())
def test_a_quantity_is_a_number(text: str, number: str) -> None:
    assert parse(text) == Decimal(number)


@pytest.mark.parametrize(("value", "number"), [(2, "2"), (0.5, "0.5"), (0, "0")])
def test_json_may_have_a_number(value: float, number: str) -> None:
    assert parse(value) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", "m", "1 Mi", "1mi", "1Mi ", "1ee3", "1e", "0x10", "1,5", "1e9999", "NaN", "1KiB", "1" * 10**6]
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse(text)


def test_there_is_a_largest_one() -> None:
    assert parse("8Ei") == 2**63
    for text in ("9223372036854775809", "-9Ei", "1e40"):
        with pytest.raises(ValueError, match="more than any quantity"):
            parse(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [("0", "0"), ("3", "3"), ("0.12", "120m"), ("134217728", "131072Ki"), ("1000000000", "1000000000"), ("1e-9", "1n")],
)
def test_a_number_is_written_shortly(number: str, text: str) -> None:
    assert render(Decimal(number)) == text


@given(st.integers(-(10**18), 10**18), st.integers(-9, 0))
def test_what_is_written_is_read_as_the_same(digits: int, exponent: int) -> None:
    value = Decimal(digits).scaleb(exponent)
    assert parse(render(value)) == value
