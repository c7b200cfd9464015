"""A queue that loses no key: one worker at a time handles a key, once more if the key was added meanwhile."""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.kube.client.errors import UnavailableError
from sovereign_operator.runtime.queue import FIRST_BACKOFF, LONGEST_BACKOFF, WorkQueue
from tests.unit.runtime.queues import run


def test_a_key_added_many_times_is_handled_once() -> None:
    handled: Counter[str] = Counter()
    done = asyncio.Event()

    async def handle(key: str) -> None:
        handled[key] += 1
        if key == "last":
            done.set()

    async def use(queue: WorkQueue[str]) -> None:
        for _ in range(100):
            queue.add("a")
        queue.add("last")
        await done.wait()

    run(handle, use, workers=1)
    assert handled == {"a": 1, "last": 1}


def test_a_key_that_changes_while_it_is_handled_is_handled_once_more_and_never_twice_at_once() -> None:
    entered, go_on, again = asyncio.Event(), asyncio.Event(), asyncio.Event()
    busy = 0
    at_once: list[int] = []

    async def handle(_: str) -> None:
        nonlocal busy
        busy += 1
        at_once.append(busy)
        entered.set()
        await go_on.wait()
        busy -= 1
        if len(at_once) == 2:
            again.set()

    async def use(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await entered.wait()
        for _ in range(5):
            queue.add("a")
        go_on.set()
        await again.wait()
        assert not len(queue)

    run(handle, use)
    assert at_once == [1, 1]


def test_a_failure_of_any_sort_is_tried_again_and_stops_nobody_else() -> None:
    attempts: Counter[str] = Counter()
    done = asyncio.Event()

    async def handle(key: str) -> None:
        attempts[key] += 1
        if key == "api" and attempts[key] == 1:
            raise UnavailableError(503, "not now")
        if key == "bug" and attempts[key] == 1:
            raise ZeroDivisionError
        if attempts["api"] == attempts["bug"] == 2:
            done.set()

    async def use(queue: WorkQueue[str]) -> None:
        queue.add("api")
        queue.add("bug")
        await done.wait()

    run(handle, use)
    assert attempts == {"api": 2, "bug": 2}


def test_a_handler_may_ask_for_its_key_back_and_a_change_comes_sooner() -> None:
    runs = 0
    first, second = asyncio.Event(), asyncio.Event()

    async def handle(_: str) -> float:
        nonlocal runs
        runs += 1
        (first if runs == 1 else second).set()
        return 3600.0

    async def use(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await first.wait()
        queue.add("a")
        await second.wait()

    run(handle, use)
    assert runs == 2


def test_a_key_that_fails_for_days_is_tried_every_minute() -> None:
    attempts: list[float] = []
    tired = asyncio.Event()

    async def handle(_: str) -> None:
        attempts.append(asyncio.get_running_loop().time())
        if len(attempts) == 3 * 24 * 60:
            tired.set()
        raise UnavailableError(503, "not now")

    async def use(queue: WorkQueue[str]) -> None:
        queue.add("a")
        async with asyncio.timeout(4 * 24 * 3600):
            await tired.wait()

    run(handle, use)
    pauses = [after - before for before, after in itertools.pairwise(attempts)]
    assert pauses[:3] == pytest.approx([FIRST_BACKOFF, 2 * FIRST_BACKOFF, 4 * FIRST_BACKOFF], abs=0.001)
    assert pauses[20:] == pytest.approx([LONGEST_BACKOFF] * len(pauses[20:]), abs=0.001)


@dataclass(frozen=True)
class Request:
    """A request to handle a key, made at some second, with a delay."""

    at: int
    key: str
    delay: int


@dataclass(frozen=True)
class Attempt:
    """How long one handling takes, and its outcome: an error, a delay before the next handling, or neither."""

    lasts: int
    fails: bool
    annotated_one: int | None


REQUESTS = st.lists(
    st.builds(Request, st.integers(0, 20), st.sampled_from("abc"), st.sampled_from([0, 0, 1, 5])),
    min_size=1,
    max_size=12,
)
ATTEMPTS = st.lists(st.builds(Attempt, st.integers(0, 5), st.booleans(), st.sampled_from([None, 0, 3])), max_size=12)


@given(REQUESTS, ATTEMPTS, st.integers(1, 3))
def test_each_request_is_answered_none_too_soon_and_no_key_twice_at_once(
    requests: list[Request], attempts: list[Attempt], workers: int
) -> None:
    busy: set[str] = set()
    asked: dict[str, list[tuple[float, float]]] = {key: [] for key in "abc"}
    begun: dict[str, list[float]] = {key: [] for key in "abc"}
    wrong: list[str] = []
    """Collected here, because the queue would only retry after a failed assertion in the handler."""
    script = iter(attempts)

    async def handle(key: str) -> float | None:
        now = asyncio.get_running_loop().time()
        former = begun[key][-1] if begun[key] else 0
        if key in busy:
            wrong.append(f"{key} is handled twice at {now}")
        if not any(since >= former and due <= now for since, due in asked[key]):
            wrong.append(f"nobody asked for {key} by {now}")
        busy.add(key)
        begun[key].append(now)
        attempt = next(script, Attempt(0, fails=False, annotated_one=None))
        await asyncio.sleep(attempt.lasts)
        busy.remove(key)
        now = asyncio.get_running_loop().time()
        if attempt.fails:
            asked[key].append((now, now + FIRST_BACKOFF))
            raise UnavailableError(503, "not now")
        if attempt.annotated_one is not None:
            asked[key].append((now, now + attempt.annotated_one))
        return attempt.annotated_one

    async def use(queue: WorkQueue[str]) -> None:
        for request in sorted(requests, key=lambda request: request.at):
            await asyncio.sleep(max(0.0, request.at - asyncio.get_running_loop().time()))
            now = asyncio.get_running_loop().time()
            queue.add(request.key, request.delay)
            asked[request.key].append((now, now + request.delay))
        await asyncio.sleep(1000)
        assert not busy
        assert not len(queue)

    run(handle, use, workers)
    assert not wrong
    busy_for = sum(attempt.lasts for attempt in attempts)
    for request in requests:
        latest = request.at + request.delay + busy_for + 0.01
        assert any(request.at <= begin <= latest for begin in begun[request.key])
