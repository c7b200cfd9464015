"""What is said of claimed nodes that are gone, registered again or claimed by others, too, and how often."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sovereign_operator.core.placement.declared_nodes import changed_nodes, correct_uid, missing_nodes, report_missing
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.conditions import MAX_EXAMPLES
from tests.builders import datacentre, facts, node

MANY = tuple(node(f"worker-{number:02}") for number in range(MAX_EXAMPLES + 5))


def told(*nodes: Node, declared: tuple[Node, ...] = MANY[:3]) -> Facts:
    """Return facts of a datacentre that declares nodes, of which these are there."""
    return facts(*nodes, datacentres={"gra": datacentre(*declared)})


def contested(*nodes: Node, by: tuple[str, ...] = ("rbx",)) -> Facts:
    """Return facts of a datacentre that declares three nodes that are there, of which others claim these."""
    here = told(*MANY[:3])
    return replace(here, datacentres={**here.datacentres, **dict.fromkeys(by, datacentre(*nodes))})


def again(*nodes: Node) -> tuple[Node, ...]:
    """Return nodes that registered again."""
    return tuple(replace(one, uid=f"{one.uid}-again") for one in nodes)


def status(found: Facts) -> dict[str, Any]:
    """Return what a status says of claimed nodes."""
    return report_missing(missing_nodes("gra", Verdicts(found))).status


def reasons(found: Facts, before: Mapping[str, Any]) -> list[str]:
    """Return the reasons of the Events that follow."""
    return [notice.reason for notice in changed_nodes("gra", Verdicts(found), before, status(found))]


def test_a_status_counts_and_names_them() -> None:
    first, second, third = MANY[:3]
    found = told(first, *again(second))
    assert status(found) == {
        "nodesLost": 1,
        "lost": [third.name],
        "nodesReplaced": 1,
        "replaced": [{"node": second.name, "uid": f"{second.uid}-again"}],
        "nodesClaimedTwice": 0,
        "claimedTwice": [],
    }
    twice = status(contested(first))
    assert (twice["nodesClaimedTwice"], [entry["node"] for entry in twice["claimedTwice"]]) == (1, [first.name])


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (told(*MANY[:3]), told(*MANY[:2]), ["NodeLost"]),
        (told(*MANY[:3]), told(*MANY[:2], *again(MANY[2])), ["NodeReplaced"]),
        (told(*MANY[:2]), told(*MANY[:2], *again(MANY[2])), ["NodeReplaced"]),
        (told(*MANY[:2]), told(MANY[0]), ["NodeLost"]),
        (told(*MANY[:2]), told(*MANY[:2]), []),
        (told(*MANY[:2]), told(*MANY[:3]), []),
        (told(*MANY[:2], *again(MANY[2])), told(*MANY[:2], *again(*again(MANY[2]))), ["NodeReplaced"]),
        (told(*again(*MANY[:2])), told(*again(*MANY[:2])), []),
        (told(*MANY[:3]), contested(MANY[0]), ["NodeClaimedTwice"]),
        (contested(MANY[0]), contested(MANY[0]), []),
        (contested(MANY[0]), contested(*MANY[:2]), ["NodeClaimedTwice"]),
        (contested(MANY[0]), contested(MANY[0], by=("rbx", "sbg")), ["NodeClaimedTwice"]),
        (contested(MANY[0]), told(*MANY[:3]), []),
    ],
    ids=[
        "lost",
        "replaced",
        "back with another uid",
        "another lost",
        "as before",
        "back",
        "replaced again",
        "two still",
        "claimed twice",
        "claimed twice still",
        "another claimed twice",
        "claimed by a third one",
        "claimed once",
    ],
)
def test_each_is_told_once(before: Facts, now: Facts, expected: list[str]) -> None:
    assert reasons(now, status(before)) == expected


def test_a_status_that_says_nothing_of_them_yet_is_followed_by_an_event() -> None:
    assert reasons(told(), {}) == ["NodeLost"]


@pytest.mark.parametrize(("order", "expected"), [(1, MAX_EXAMPLES), (-1, MAX_EXAMPLES + 1)], ids=["first", "last"])
def test_of_many_it_is_told_once_in_all(order: int, expected: int) -> None:
    replaced, events = list(MANY), 0
    before = status(told(*replaced, declared=MANY))
    for number in range(len(MANY))[::order]:
        (replaced[number],) = again(MANY[number])
        now = told(*replaced, declared=MANY)
        events += len(reasons(now, before))
        before = status(now)
    assert events == expected


def test_nodes_that_come_back_are_nothing_to_tell() -> None:
    gone, fewer = told(declared=MANY), told(*MANY[:6], declared=MANY)
    assert status(gone)["nodesLost"] > MAX_EXAMPLES > status(fewer)["nodesLost"]
    assert reasons(fewer, status(gone)) == []
    many = told(*again(*MANY), declared=MANY)
    assert reasons(told(*MANY[:6], *again(*MANY[6:]), declared=MANY), status(many)) == []


def test_the_command_corrects_the_uid_of_the_node_it_is_about() -> None:
    (changed,) = again(MANY[1])
    condition, _, command = correct_uid("gra", told().datacentres["gra"], changed).partition(": ")
    assert condition == f"once you have checked that {changed.name} is the same machine"
    words = shlex.split(command)
    assert words[:4] == ["kubectl", "patch", "datacentre", "gra"]
    test, put = json.loads(words[-1])
    assert (test["op"], test["path"], test["value"]) == ("test", "/spec/nodes/1/name", changed.name)
    assert (put["op"], put["path"], put["value"]) == ("replace", "/spec/nodes/1/uid", changed.uid)
