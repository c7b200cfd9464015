"""Whether pods that look for a node find room: what is said for certain holds, whatever order the scheduler takes."""

from decimal import Decimal
from itertools import permutations
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sovereign_operator.core.workload.packing import Need, Room, find_room

Free = dict[str, dict[str, Decimal]]
Wanted = dict[str, list[Need]]


def need(cpu: int, *nodes: str) -> Need:
    return Need(frozenset(nodes), {"cpu": Decimal(cpu), "pods": Decimal(1)})


def free(pods: int = 10, **cpu: int) -> Free:
    return {node: {"cpu": Decimal(amount), "pods": Decimal(pods)} for node, amount in cpu.items()}


@pytest.mark.parametrize(
    ("wanted", "left", "rooms"),
    [
        ({"a": [need(1, "x")]}, free(x=1), {"a": Room.ENOUGH}),
        ({"a": [need(2, "x")]}, free(x=1), {"a": Room.NONE}),
        ({"a": [need(2, "x", "y")]}, free(x=1, y=2), {"a": Room.ENOUGH}),
        ({"a": [need(2, "x"), need(2, "x")]}, free(x=3), {"a": Room.NONE}),
        ({"a": [need(1, "x"), need(1, "x")]}, free(x=9, pods=1), {"a": Room.NONE}),
        # Which of the two comes first is the scheduler's choice.
        ({"a": [need(2, "x")], "b": [need(2, "x")]}, free(x=3), {"a": Room.UNSURE, "b": Room.UNSURE}),
        # One that fits nowhere takes nothing from others.
        ({"a": [need(9, "x")], "b": [need(2, "x")]}, free(x=3), {"a": Room.NONE, "b": Room.ENOUGH}),
        # They fit only if the scheduler happens to put the right ones together.
        ({"a": [need(2, "x", "y")], "b": [need(1, "x", "y"), need(3, "x", "y")]}, free(x=3, y=3), None),
        # Of three pods two can be placed, so that they never take the last node from another pod.
        ({"a": [need(3, "x", "y")] * 3, "b": [need(1, "x", "y")]}, free(x=4, y=4), {"a": Room.NONE, "b": Room.ENOUGH}),
        # Two of them do not fit together, and all that they could take still leaves room on some node.
        (
            {"a": [need(5, "x", "y")] * 2, "b": [need(5, "x", "y")], "c": [need(1, "x", "y", "z")]},
            free(x=6, y=6, z=6),
            {"a": Room.UNSURE, "b": Room.UNSURE, "c": Room.ENOUGH},
        ),
        # Rivals elsewhere do not matter.
        ({"a": [need(2, "x")], "b": [need(2, "x")], "c": [need(2, "y")]}, free(x=3, y=2), None),
    ],
)
def test_room(wanted: Wanted, left: Free, rooms: dict[str, Room] | None) -> None:
    found = {name: one.room for name, one in find_room(wanted, left).items()}
    if rooms is None:
        assert found["a"] is Room.UNSURE
        assert found.get("c", Room.ENOUGH) is Room.ENOUGH
    else:
        assert found == rooms


def test_what_a_pod_lacks_is_said() -> None:
    (found,) = find_room({"a": [need(4, "x", "y")]}, free(x=1, y=0)).values()
    assert found.why == "on x, which comes nearest, a pod requests 4 cpu, of which 1 is left"


def test_none_is_said_only_if_there_is_no_room_once_others_have_left() -> None:
    found = find_room({"a": [need(2, "x")]}, free(x=1), free(x=2))
    assert found["a"].room is Room.UNSURE


NODES = ("x", "y", "z")
NEEDS = st.builds(
    lambda cpu, nodes: need(cpu, *nodes), st.integers(0, 4), st.sets(st.sampled_from(NODES), min_size=1).map(sorted)
)
WANTED = st.dictionaries(st.sampled_from("abc"), st.lists(NEEDS, min_size=1, max_size=2), min_size=1)
FREE = st.fixed_dictionaries(dict.fromkeys(NODES, st.integers(0, 5))).map(lambda cpu: free(pods=2, **cpu))


def can_place(needs: list[Need], left: Free) -> bool:
    """Whether there is any way to place all of these."""
    if not needs:
        return True
    first, *rest = needs
    for node in first.nodes:
        after = {name: dict(amounts) for name, amounts in left.items()}
        for resource, amount in first.requests.items():
            after[node][resource] -= amount
        if min(after[node].values()) >= 0 and can_place(rest, after):
            return True
    return False


@given(WANTED, FREE)
def test_what_is_certain_is_possible(wanted: Wanted, left: Free) -> None:
    found = find_room(wanted, left)
    for name, one in found.items():
        if one.room is Room.NONE:
            assert not can_place(wanted[name], left)
        if one.room is Room.ENOUGH:
            assert can_place(wanted[name], left)
    if all(one.room is Room.ENOUGH for one in found.values()):
        assert can_place([each for needs in wanted.values() for each in needs], left)


@given(WANTED, FREE, st.integers(0, 9))
def test_one_more_node_takes_no_room_away(wanted: Wanted, left: Free, cpu: int) -> None:
    more = {name: [Need(each.nodes | {"new"}, each.requests) for each in needs] for name, needs in wanted.items()}
    before, after = find_room(wanted, left), find_room(more, left | free(new=cpu))
    for name, one in before.items():
        assert not (one.room is Room.ENOUGH and after[name].room is Room.NONE)


@given(WANTED, FREE)
def test_the_order_does_not_matter(wanted: Wanted, left: Free) -> None:
    found = find_room(wanted, left)
    for order in permutations(wanted):
        assert find_room({name: wanted[name][::-1] for name in order}, left) == found


@given(WANTED, FREE, st.randoms(use_true_random=False))
def test_what_is_certain_beside_what_is_not_comes_true_whatever_the_scheduler_does(
    wanted: Wanted, left: Free, scheduler: Random
) -> None:
    # On one node, all of them are rivals.
    wanted = {name: [Need(each.nodes | {"x"}, each.requests) for each in needs] for name, needs in wanted.items()}
    everybody = [(name, each) for name, needs in wanted.items() for each in needs]
    found = find_room(wanted, left)
    assume(Room.UNSURE in {one.room for one in found.values()})
    scheduler.shuffle(everybody)
    for name, each in everybody:
        places = [
            node for node in sorted(each.nodes) if all(left[node][key] >= each.requests[key] for key in each.requests)
        ]
        assert places or found[name].room is not Room.ENOUGH
        if places:
            node = scheduler.choice(places)
            left[node] = {key: amount - each.requests[key] for key, amount in left[node].items()}
