"""Which replica answers a request first, and how much work one node may cause."""

from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.signer.fair_share import BURST, RATE, Budgets, is_first

UIDS = [f"uid-{number}" for number in range(300)]


@given(st.sets(st.sampled_from("abcdef"), min_size=1), st.sampled_from(UIDS))
def test_each_request_has_one_replica_that_answers_first(replicas: set[str], uid: str) -> None:
    assert sum(is_first(replica, replicas, uid) for replica in replicas) == 1


def test_the_work_is_shared() -> None:
    shares = [sum(is_first(replica, "abc", uid) for uid in UIDS) for replica in "abc"]
    assert min(shares) > len(UIDS) / 6


def test_a_replica_that_does_not_see_itself_yet_still_answers_its_share() -> None:
    assert is_first("a", [], "uid")


def test_a_node_may_begin_as_many_pods_as_it_holds_at_once() -> None:
    budgets = Budgets()
    assert not any(budgets.pause("node", uid, 0.0) for uid in UIDS[: int(BURST)])
    assert budgets.pause("node", "one more", 0.0) > 0
    assert budgets.pause("another", "uid", 0.0) == 0


def test_those_that_come_too_early_get_one_turn_each_in_order() -> None:
    budgets = Budgets()
    pauses = [budgets.pause("node", uid, 0.0) for uid in UIDS]
    late = pauses[int(BURST) :]
    assert late == sorted(late)
    assert abs(late[-1] - len(late) / RATE) < 1e-6
    # A second call before a request's turn neither delays nor advances it.
    assert abs(budgets.pause("node", UIDS[-1], 1.0) - (late[-1] - 1.0)) < 1e-6
    assert budgets.pause("node", UIDS[-1], late[-1]) == 0


@given(st.lists(st.floats(0, 2), min_size=1, max_size=300))
def test_no_node_gets_more_than_its_rate_and_one_burst(gaps: list[float]) -> None:
    budgets, now, done = Budgets(), 0.0, 0
    for number, gap in enumerate(gaps):
        now += gap
        done += budgets.pause("node", f"uid-{number}", now) == 0
        assert done <= BURST + now * RATE + 1


def test_what_is_over_is_forgotten() -> None:
    budgets = Budgets()
    for uid in UIDS:
        budgets.pause("node", uid, 0.0)
    budgets.forget(1000.0)
    assert budgets.pause("node", "new", 1000.0) == 0
