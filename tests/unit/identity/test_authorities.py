"""What happens to one pair's authorities, case by case.

`test_any_authorities` and `test_authorities_in_time` check the general properties.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from sovereign_operator.core.identity.authorities import (
    CA_LIFETIME,
    LEAF_LIFETIME,
    PROPAGATION,
    SHORTEST_LEAF,
    SKEW,
    NewAuthority,
    Plan,
)
from tests.builders import NOW
from tests.unit.identity.authorities import (
    A_DAY,
    A_SECOND,
    AN_HOUR,
    OLD,
    PAIR,
    accepting,
    ask,
    authority,
    new,
    on_grace,
)

NEW = authority("new", begins=NOW - 3 * A_DAY, left=362 * A_DAY, published=NOW - 10 * AN_HOUR)

# The plan for a pair: what to create, what to retire, what is trusted, what signs.
CASES: dict[str, tuple[Plan, tuple[NewAuthority, ...], tuple[str, ...], tuple[str, ...], str | None]] = {
    "accepted, without an end": (ask(accepting()), new(CA_LIFETIME), (), (), None),
    "accepted for a month": (ask(accepting(30 * A_DAY)), new(30 * A_DAY), (), (), None),
    "accepted for ten years": (ask(accepting(3650 * A_DAY)), new(CA_LIFETIME), (), (), None),
    "accepted for no longer than a certificate must live": (
        ask(accepting(SHORTEST_LEAF - A_SECOND)),
        (),
        (),
        (),
        None,
    ),
    "accepted, and there is one": (ask(accepting(), OLD), (), (), ("old",), "old"),
    "accepted, and it ends with its window": (ask(accepting(335 * A_DAY), OLD), (), (), ("old",), "old"),
    "accepted, and somebody took it out of the bundle": (
        ask(accepting(), replace(OLD, listed=False)),
        (),
        (),
        ("old",),
        "old",
    ),
    "a successor took its place, and its key is kept until both clocks agree": (
        ask(accepting(), replace(OLD, listed=False), replace(NEW, published=NOW - 2 * A_DAY)),
        (),
        ("old",),
        ("new",),
        "new",
    ),
    "accepted, and it ended": (
        ask(accepting(), authority(left=timedelta(0))),
        new(CA_LIFETIME),
        ("old",),
        (),
        None,
    ),
    "the first signs before it is published": (
        ask(accepting(), authority("first", published=None)),
        (),
        (),
        ("first",),
        "first",
    ),
    "the first signs as soon as it is published": (
        ask(accepting(), authority("first", published=NOW)),
        (),
        (),
        ("first",),
        "first",
    ),
    "a successor waits until it is published": (
        ask(accepting(), OLD, replace(NEW, published=None)),
        (),
        (),
        ("new", "old"),
        "old",
    ),
    "a successor waits until all have seen it": (
        ask(accepting(), OLD, replace(NEW, published=NOW - PROPAGATION + A_SECOND)),
        (),
        (),
        ("new", "old"),
        "old",
    ),
    "a successor signs when all have seen it": (
        ask(accepting(), OLD, replace(NEW, published=NOW - PROPAGATION)),
        (),
        (),
        ("new", "old"),
        "new",
    ),
    "the old one stays as long as its last certificate": (
        ask(accepting(), OLD, replace(NEW, published=NOW - 2 * PROPAGATION - LEAF_LIFETIME + A_SECOND)),
        (),
        (),
        ("new", "old"),
        "new",
    ),
    "the old one goes after its last certificate": (
        ask(accepting(), OLD, replace(NEW, published=NOW - 2 * PROPAGATION - LEAF_LIFETIME)),
        (),
        ("old",),
        ("new",),
        "new",
    ),
    "the old one goes when it ends": (
        ask(accepting(), authority(left=timedelta(0)), replace(NEW, published=NOW)),
        (),
        ("old",),
        ("new",),
        "new",
    ),
    "the claim was shortened": (
        ask(accepting(30 * A_DAY), OLD),
        new(30 * A_DAY),
        (),
        ("old",),
        "old",
    ),
    "shortened, with a successor": (
        ask(accepting(30 * A_DAY), OLD, replace(NEW, published=None, not_after=NOW + 30 * A_DAY)),
        (),
        (),
        ("new", "old"),
        "old",
    ),
    "shortened again before the successor signs": (
        ask(accepting(20 * A_DAY), OLD, replace(NEW, published=None, not_after=NOW + 30 * A_DAY)),
        (),
        (),
        ("new", "old"),
        "old",
    ),
    "shortened again when the successor signs": (
        ask(accepting(20 * A_DAY), OLD, replace(NEW, not_after=NOW + 30 * A_DAY)),
        new(20 * A_DAY),
        (),
        ("new", "old"),
        "new",
    ),
    "shortened once more within a day": (
        ask(
            accepting(10 * A_DAY),
            OLD,
            replace(NEW, not_after=NOW + 30 * A_DAY),
            authority("newest", left=20 * A_DAY, published=NOW - AN_HOUR),
        ),
        (),
        (),
        ("new", "newest", "old"),
        "newest",
    ),
    "shortened and extended again: the newest goes on signing": (
        ask(accepting(), OLD, replace(NEW, not_after=NOW + 30 * A_DAY)),
        (),
        (),
        ("new", "old"),
        "new",
    ),
    "on grace": (ask(on_grace(7 * A_DAY), OLD), (), (), ("old",), None),
    "on grace, and it ended": (ask(on_grace(7 * A_DAY), authority(left=timedelta(0))), (), ("old",), (), None),
    "on grace, and there is none": (ask(on_grace(7 * A_DAY)), (), (), (), None),
    "on grace, all stay to the end": (
        ask(on_grace(A_SECOND), OLD, replace(NEW, published=NOW - 2 * A_DAY), authority("unpublished", published=None)),
        (),
        (),
        ("new", "old", "unpublished"),
        None,
    ),
    "grace is over": (ask(on_grace(timedelta(0)), OLD), (), ("old",), (), None),
    "no window": (ask(None, OLD, NEW), (), ("new", "old"), (), None),
    "a window that should not be there any more": (ask(accepting(timedelta(0)), OLD), (), ("old",), (), None),
    "begins in a moment, by another clock": (
        ask(accepting(), authority("skewed", begins=NOW + SKEW, published=None)),
        (),
        (),
        ("skewed",),
        "skewed",
    ),
    "a successor that begins in a moment": (
        ask(accepting(), OLD, replace(NEW, not_before=NOW + SKEW)),
        (),
        (),
        ("new", "old"),
        "old",
    ),
    "begins much later, by a wrong clock": (
        ask(accepting(), authority("wrong", begins=NOW + A_DAY)),
        new(CA_LIFETIME),
        (),
        ("wrong",),
        None,
    ),
}


@pytest.mark.parametrize(("said", "create", "retire", "bundle", "signs"), CASES.values(), ids=CASES.keys())
def test_what_becomes_of_a_pair(
    said: Plan,
    create: tuple[NewAuthority, ...],
    retire: tuple[str, ...],
    bundle: tuple[str, ...],
    signs: str | None,
) -> None:
    assert said == Plan(create, retire, {"demo": bundle}, {PAIR: signs} if signs else {})


@pytest.mark.parametrize(
    ("lived", "left", "until", "expected"),
    [
        pytest.param(240, 121.6, None, None, id="more-than-a-third-is-left"),
        pytest.param(244, 121, None, 365, id="less-than-a-third-is-left"),
        pytest.param(300, 65, 65, None, id="it-ends-with-its-window"),
        pytest.param(300, 65, 97, None, id="less-than-half-as-long-again"),
        pytest.param(300, 65, 97.5, 97.5, id="half-as-long-again"),
        pytest.param(363, 2.1, 3.1, None, id="a-day-more-counts-when-it-matters"),
        pytest.param(363, 2, 3, 3, id="a-day-more-counts-when-two-are-left"),
        pytest.param(364, 46 / 24, 69 / 24, 69 / 24, id="the-day-of-23-hours"),
        pytest.param(2, 1, 2, None, id="a-short-life-has-thirds-too"),
        pytest.param(2.1, 1, 2, 2, id="less-than-a-third-of-a-short-life"),
        pytest.param(20, 11, None, None, id="an-extension-alone-replaces-nothing"),
    ],
)
def test_one_is_renewed_in_its_last_third_if_that_is_worth_it(
    lived: float, left: float, until: float | None, expected: float | None
) -> None:
    old = authority(begins=NOW - lived * A_DAY, left=left * A_DAY)
    said = ask(accepting(None if until is None else until * A_DAY), old)
    assert said.create == (() if expected is None else new(expected * A_DAY))
    assert said.signing == {PAIR: "old"}


def test_an_authority_ends_at_a_whole_second() -> None:
    now = NOW + timedelta(microseconds=1)
    assert ask(accepting(), now=now).create == new(CA_LIFETIME)
    assert ask(accepting(30 * A_DAY + timedelta(microseconds=999_999)), now=now).create == new(30 * A_DAY)


def test_two_that_two_replicas_created_at_once_are_put_in_one_order() -> None:
    twins = [authority(name, begins=NOW, published=None) for name in ("a", "b")]
    assert ask(accepting(), *twins).signing == ask(accepting(), *reversed(twins)).signing == {PAIR: "a"}
    seen = [replace(twin, published=NOW) for twin in twins]
    assert ask(accepting(), *seen, now=NOW + PROPAGATION).signing == {PAIR: "b"}
    over = ask(accepting(), *seen, now=NOW + 2 * PROPAGATION + LEAF_LIFETIME)
    assert (over.retire, over.bundles) == (("a",), {"demo": ("b",)})
