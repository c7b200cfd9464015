"""The Events of pods that wait for a node."""

from collections.abc import Sequence

import pytest

from sovereign_operator.core.report.posted_events import PostedEvents
from sovereign_operator.core.workload.waiting import situation_of, waiting_notice

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


CHOSE_REFUSED = (
    'binding rejected: running Bind plugin "DefaultBinder": pods "app-1" is forbidden: ValidatingAdmissionPolicy '
    "'sovereignty-guard-bindings' with binding 'sovereignty-guard-bindings' denied request: node not accepted: pod "
    "hospital/app-1 cannot be bound to node lyon-1, which policy snc does not accept"
)


def test_a_pod_for_which_the_scheduler_chose_a_refused_node_is_told_how_to_leave_that_node_out() -> None:
    notice = waiting_notice("hospital", "app-1", "snc", SOURCE, ("brest-1",), said=CHOSE_REFUSED)
    assert "accepts 1 node: brest-1. The scheduler chose another one" in notice.message
    assert notice.message.endswith("kubectl -n hospital delete pod app-1")
    assert len(notice.message) < 1024
    situations = {situation_of("snc", SOURCE, ("brest-1",), said=said) for said in ("", "0/4 nodes", CHOSE_REFUSED)}
    assert len(situations) == 2
    # Without an accepted node that is all there is to say.
    assert waiting_notice("x", "y", "snc", SOURCE, (), said=CHOSE_REFUSED) == waiting_notice(
        "x", "y", "snc", SOURCE, ()
    )


def test_many_nodes_are_counted() -> None:
    notice = waiting_notice("hospital", "app-1", "snc", SOURCE, [f"node-{number:02}" for number in range(40)])
    assert "accepts 40 nodes: node-00, " in notice.message
    assert "node-09 and 30 more" in notice.message
    assert len(notice.message) < 1024


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
