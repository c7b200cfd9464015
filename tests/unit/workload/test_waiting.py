"""The Events of pods that wait for a node."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.report.conditions import MAX_EXAMPLES
from sovereign_operator.core.workload.waiting import PostedEvents, situation_of, waiting_notice

SOURCE = "label sovereignty.dev/enforce of namespace hospital"


@pytest.mark.parametrize(
    ("accepted", "words"),
    [
        (("brest-1",), "policy snc, which accepts 1 node: brest-1. The scheduler counts all others"),
        (("brest-1", "lyon-1"), "policy snc, which accepts 2 nodes: brest-1, lyon-1."),
        ((), "policy snc: no node is accepted by policy snc: ask a cluster admin to read `kubectl describe"),
        (None, "policy snc, which does not exist or cannot be read: correct the label"),
    ],
)
def test_an_event_names_the_policy_the_reason_and_the_next_step(accepted: Sequence[str] | None, words: str) -> None:
    notice = waiting_notice("hospital", "app-1", "snc", SOURCE, accepted)
    assert notice.message.startswith(f"{SOURCE} holds this pod to policy snc")
    assert words in notice.message
    assert ("kubectl sovereign explain pod/app-1 -n hospital" in notice.message) is bool(accepted)


def test_many_nodes_are_counted() -> None:
    notice = waiting_notice("hospital", "app-1", "snc", SOURCE, [f"node-{number:02}" for number in range(40)])
    assert "accepts 40 nodes: node-00, " in notice.message
    assert "node-09 and 30 more" in notice.message
    assert len(notice.message) < 1024


ONE, OTHER = "one", "other"


def test_nodes_that_come_and_go_are_nothing_to_tell_again() -> None:
    posted, accepted = PostedEvents(), list[str]()
    due = []
    for number in range(50):
        due.append(posted.is_due("pod", "owner", situation_of("snc", SOURCE, accepted)))
        accepted.append(f"node-{number}")
    # That there is no node, and that there are some.
    assert due == [True, True, *[False] * 48]
    assert posted.is_due("pod", "owner", situation_of("snc", SOURCE, None))
    assert posted.is_due("pod", "owner", situation_of("hds", SOURCE, None))


def test_another_pod_of_the_same_name_gets_an_event_as_well() -> None:
    posted = PostedEvents()
    assert posted.is_due("web-0", "owner", ("uid-1", ONE))
    assert posted.is_due("web-0", "owner", ("uid-2", ONE))


def test_a_pod_gets_the_same_event_only_once() -> None:
    posted = PostedEvents()
    assert [posted.is_due("pod", "owner", what) for what in (ONE, ONE, OTHER, OTHER, ONE)] == [1, 0, 1, 0, 1]
    posted.forget("pod")
    assert posted.is_due("pod", "owner", ONE)


def test_ten_pods_of_an_owner_get_an_event_until_one_of_them_waits_no_more() -> None:
    posted = PostedEvents()
    due = [posted.is_due(number, "owner", ONE) for number in range(2 * MAX_EXAMPLES)]
    assert due == [True] * MAX_EXAMPLES + [False] * MAX_EXAMPLES
    assert posted.is_due("pod", "another owner", ONE)
    posted.forget(0)
    assert posted.is_due(MAX_EXAMPLES, "owner", ONE)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.sampled_from("ab"), st.sampled_from([ONE, OTHER]))))
def test_no_more_pods_count_as_posted_than_wait(steps: list[tuple[int, bool, str, str]]) -> None:
    posted, waiting = PostedEvents(), set[int]()
    for pod, waits, owner, what in steps:
        if waits:
            posted.is_due(pod, owner, what)
            waiting.add(pod)
        else:
            posted.forget(pod)
            waiting.discard(pod)
    for pod in waiting:
        posted.forget(pod)
    for owner in "ab":
        assert all(posted.is_due((owner, number), owner, ONE) for number in range(MAX_EXAMPLES))
