"""Whose key comes next: tenants take turns, none takes more than its share of workers, and one key goes first."""

import asyncio
import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.runtime.fair_turns import FairTurns
from sovereign_operator.runtime.queue import WorkQueue
from tests.unit.runtime.queues import run


def test_tenants_take_turns() -> None:
    handled: list[str] = []
    done = asyncio.Event()

    async def handle(key: str) -> None:
        await asyncio.sleep(1)
        handled.append(key)
        if len(handled) == 1002:
            done.set()

    async def use(queue: WorkQueue[str]) -> None:
        for number in range(1000):
            queue.add(f"crowd/{number}")
        queue.add("ward/a")
        queue.add("ward/b")
        await done.wait()

    run(handle, use, workers=1, tenant_of=lambda key: key.partition("/")[0])
    assert handled[:5] == ["crowd/0", "ward/a", "crowd/1", "ward/b", "crowd/2"]
    assert handled[5:] == [f"crowd/{number}" for number in range(3, 1000)]


def test_no_tenant_takes_more_than_its_share_of_the_workers() -> None:
    """Handling one object of the tenant may take as long as a request may."""
    handled: list[tuple[float, str]] = []
    busy: set[str] = set()
    most = 0
    done = asyncio.Event()

    async def handle(key: str) -> None:
        nonlocal most
        busy.add(key)
        most = max(most, sum(name.startswith("crowd") for name in busy))
        await asyncio.sleep(30 if key.startswith("crowd") else 0.1)
        busy.remove(key)
        handled.append((asyncio.get_running_loop().time(), key))
        if len(handled) == 21:
            done.set()

    async def use(queue: WorkQueue[str]) -> None:
        for number in range(20):
            queue.add(f"crowd/{number}")
        await asyncio.sleep(1)
        queue.add("ward/a")
        await done.wait()

    run(handle, use, workers=8, tenant_of=lambda key: key.partition("/")[0], share=3)
    assert most == 3
    at, first = handled[0]
    assert first == "ward/a"
    assert at < 2


def test_the_first_key_does_not_wait_for_a_worker() -> None:
    begun: dict[str, float] = {}
    done = asyncio.Event()

    async def handle(key: str) -> None:
        begun[key] = asyncio.get_running_loop().time()
        if key == "first":
            done.set()
        await asyncio.sleep(30)

    async def use(queue: WorkQueue[str]) -> None:
        for number in range(9):
            queue.add(f"other-{number}")
        await asyncio.sleep(1)
        queue.add("first")
        await done.wait()

    run(handle, use, workers=4, first="first")
    assert len(begun) == 5
    assert begun["first"] < 2


def test_the_first_key_waits_for_nobody_and_at_most_one_other_is_begun_beside_it() -> None:
    events: list[str] = []
    begun, done = asyncio.Event(), asyncio.Event()

    async def handle(key: str) -> None:
        events.append(f"{key} begins")
        begun.set()
        await asyncio.sleep(10 if key == "first" else 3)
        events.append(f"{key} ends")
        if len(events) == 2 * 21:
            done.set()

    async def use(queue: WorkQueue[str]) -> None:
        for number in range(20):
            queue.add(f"other-{number}")
        await begun.wait()
        queue.add("first")
        await done.wait()

    run(handle, use, workers=4, first="first")
    begin, end = events.index("first begins"), events.index("first ends")
    # Four keys were being handled when the first key was added, which has a worker of its own.
    assert [event for event in events[:begin] if event.endswith("begins")] == [f"other-{n} begins" for n in range(4)]
    busy = 4
    for event in events[begin + 1 : end]:
        busy += 1 if event.endswith("begins") else -1
        assert not event.endswith("begins") or busy == 1, event
    assert any(event.endswith("begins") for event in events[begin + 1 : end])
    assert len(events) == 2 * 21


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=40))
def test_no_tenant_waits_for_more_than_one_key_of_each_other(keys: list[tuple[str, int]]) -> None:
    turns: FairTurns[tuple[str, int]] = FairTurns(lambda key: key[0])
    for key in keys:
        turns.add(key)
    assert len(turns) == len(set(keys))
    taken = [turns.take() for _ in range(len(turns))]
    assert sorted(taken) == sorted(set(keys))
    waiting = {tenant: [key for key in taken if key[0] == tenant] for tenant, _ in taken}
    for tenant, own in waiting.items():
        assert own == list(dict.fromkeys(key for key in keys if key[0] == tenant))
        for former, later in itertools.pairwise(own):
            between = Counter(name for name, _ in taken[taken.index(former) + 1 : taken.index(later)])
            assert all(count == 1 for count in between.values())
    with pytest.raises(LookupError):
        turns.take()


def test_those_that_are_one_too_many_are_of_the_tenant_with_most_and_its_newest() -> None:
    turns: FairTurns[tuple[str, int]] = FairTurns(lambda key: key[0])
    for key in (("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2)):
        turns.add(key)
    assert [turns.shed() for _ in range(2)] == [("a", 3), ("a", 2)]
    assert [turns.take() for _ in range(2)] == [("a", 1), ("b", 1)]
    assert turns.shed() == ("b", 2)
    with pytest.raises(LookupError):
        turns.shed()
