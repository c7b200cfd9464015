"""Which pods get an Event, and how often."""

from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.report.conditions import MAX_EXAMPLES
from sovereign_operator.core.report.posted_events import PostedEvents

ONE, OTHER = "one", "other"


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
