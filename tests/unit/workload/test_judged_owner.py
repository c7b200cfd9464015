"""What people are told of the pods of one owner."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.report.reasons import MAX_LINE
from sovereign_operator.core.workload.judged_owner import (
    JudgedOwner,
    PolicyAnswers,
    Result,
    message_of,
    needs_action,
    rank,
    result_of,
)
from sovereign_operator.core.workload.judgement import PLACES, Count, Judgement
from sovereign_operator.core.workload.owner import Owner
from sovereign_operator.core.workload.policy_pods import report_pods
from sovereign_operator.core.workload.scope import Mode
from tests.unit.workload.judged import (
    ANSWERS,
    ANY_ANSWERS,
    INSIDE,
    NONE_ACCEPTED,
    OUTSIDE,
    OWNED,
    PENDING,
    UNKNOWN,
    UNREADABLE,
    owned,
)

SUSPENDED = "runs on bad: gra: Acme Cloud: SecNumCloud 3.2 is suspended"
RESTART = (
    "To move its pods, once `kubectl sovereign preview -n hospital` says that new ones would start: "
    "kubectl -n hospital rollout restart deployment/records"
)
NO_NAMESPACE_FACTS = (
    "no node is accepted by policy secnumcloud: ask a cluster admin to read `kubectl describe sovereigntypolicy "
    "secnumcloud`"
)
ONE_IN_TWO = "1 of 2 pod(s)"

# Pods, what the policy says, and what people are told.
TOLD: dict[str, tuple[JudgedOwner, PolicyAnswers, str, str]] = {
    "all is well": (
        owned(INSIDE, INSIDE),
        ANSWERS,
        "pass",
        "all 2 pod(s) run on nodes that policy secnumcloud accepts",
    ),
    "outside": (
        owned(INSIDE, OUTSIDE),
        ANSWERS,
        "fail",
        f"{ONE_IN_TWO} are outside: records-1 {SUSPENDED}. {RESTART}",
    ),
    "outside, and no node is accepted": (
        owned(OUTSIDE),
        NONE_ACCEPTED,
        "fail",
        f"1 of 1 pod(s) are outside: records-0 {SUSPENDED}. Nothing can move them now: {NO_NAMESPACE_FACTS}",
    ),
    "on a node that is gone": (
        owned(Judgement(Place.OUTSIDE, "gone")),
        ANSWERS,
        "fail",
        f"1 of 1 pod(s) are outside: records-0 runs on gone: node gone is gone. {RESTART}",
    ),
    "under a policy that cannot be read": (
        owned(OUTSIDE),
        UNREADABLE,
        "fail",
        (
            "1 of 1 pod(s) are outside: records-0 runs on bad, and policy secnumcloud, which cannot be read, accepts "
            f"no node. Nothing can move them now: {NO_NAMESPACE_FACTS}"
        ),
    ),
    "would be outside": (
        owned(INSIDE, OUTSIDE, mode=Mode.WARN),
        ANSWERS,
        "warn",
        (
            f"{ONE_IN_TWO} would be outside: records-1 {SUSPENDED}. Nothing moves them now: with "
            "sovereignty.dev/enforce=secnumcloud, new pods would start on the 2 node(s) alone that it accepts"
        ),
    ),
    "waits": (
        owned(INSIDE, PENDING),
        ANSWERS,
        "skip",
        (
            f"{ONE_IN_TWO} wait for a node: records-1: 2 node(s) are accepted by policy secnumcloud; the scheduler "
            "says: 0/4 nodes fit"
        ),
    ),
    "waits, and no node is accepted": (
        owned(PENDING),
        NONE_ACCEPTED,
        "skip",
        f"1 of 1 pod(s) wait for a node: records-0: {NO_NAMESPACE_FACTS}",
    ),
    "waits, and the policy is only tried": (
        owned(PENDING, mode=Mode.AUDIT),
        NONE_ACCEPTED,
        "skip",
        "1 of 1 pod(s) wait for a node: records-0 is one, and nobody knows yet where it will run",
    ),
    "without a sidecar": (
        owned(INSIDE, Judgement(Place.INSIDE, bare=True)),
        ANSWERS,
        "fail",
        f"{ONE_IN_TWO} have no sidecar of policy secnumcloud: records-1 is one. {RESTART}",
    ),
    "older than the label": (
        owned(INSIDE, Judgement(Place.INSIDE, older=True)),
        ANSWERS,
        "pass",
        f"{ONE_IN_TWO} are older than the label, which places new ones: records-1 is one. {RESTART}",
    ),
    "a pod that cannot be read": (
        owned(Judgement(Place.OUTSIDE)),
        ANSWERS,
        "fail",
        (
            "1 of 1 pod(s) are outside: records-0 cannot be read, and counts as outside: delete it, kubectl -n "
            f"hospital delete pod records-0; the log of the controller says what is wrong with it. {RESTART}"
        ),
    ),
    "of a policy that does not exist": (
        owned(UNKNOWN),
        UNREADABLE,
        "error",
        (
            "there is no SovereigntyPolicy secnumcloud: no new pod starts here, and nobody vouches for where these "
            "run; correct the label sovereignty.dev/enforce of namespace hospital, or have a cluster admin create the "
            "policy; kubectl get sovereigntypolicies lists those that there are"
        ),
    ),
    "of such a policy that is to be tried": (
        owned(UNKNOWN, mode=Mode.AUDIT),
        UNREADABLE,
        "error",
        (
            "there is no SovereigntyPolicy secnumcloud: nothing is tried; correct the label sovereignty.dev/audit of "
            "namespace hospital, or have a cluster admin create the policy; kubectl get sovereigntypolicies lists "
            "those that there are"
        ),
    ),
    "everything at once": (
        owned(PENDING, Judgement(Place.OUTSIDE, "bad", older=True, bare=True), INSIDE),
        ANSWERS,
        "fail",
        (
            f"1 of 3 pod(s) are outside: records-1 {SUSPENDED}; 1 of 3 pod(s) have no sidecar of policy secnumcloud: "
            "records-1 is one; 1 of 3 pod(s) wait for a node: records-0: 2 node(s) are accepted by policy "
            "secnumcloud; the scheduler says: 0/4 nodes fit; 1 of 3 pod(s) are older than the label, which places new "
            f"ones: records-1 is one. {RESTART}"
        ),
    ),
}


@pytest.mark.parametrize(("seen", "answers", "result", "said"), TOLD.values(), ids=TOLD)
def test_people_are_told(seen: JudgedOwner, answers: PolicyAnswers, result: str, said: str) -> None:
    assert (result_of(seen).value, message_of(seen, answers)) == (result, said)


# By kind of the owner, how its pods are moved.
MOVES = {
    "StatefulSet": "rollout restart statefulset/records",
    "DaemonSet": "rollout restart daemonset/records",
    "CronJob": "delete pod records-0",
    "Rollout": "delete pod records-0",
    "Pod": "Nothing creates it again: kubectl -n hospital delete pod records-0, then create it as before",
    "Node": "remove these files",
}


@pytest.mark.parametrize(("kind", "advice"), MOVES.items())
def test_pods_are_moved_as_their_owner_has_it(kind: str, advice: str) -> None:
    said = message_of(owned(OUTSIDE, owner=Owner("x/v1", kind, "records")), ANSWERS)
    assert advice in said


def test_who_holds_pods_is_named() -> None:
    assert owned(INSIDE).source == "the label sovereignty.dev/enforce of namespace hospital"
    assert owned(INSIDE, by_pod_label=True).source == "the label sovereignty.dev/policy of the pods"
    tried = owned(INSIDE, mode=Mode.WARN, by_pod_label=True)
    assert tried.source == "the label sovereignty.dev/warn of namespace hospital"


@given(OWNED, ANY_ANSWERS)
def test_a_message_is_one_line_and_the_counts_add_up(seen: JudgedOwner, answers: PolicyAnswers) -> None:
    said = message_of(seen, answers)
    assert said
    assert len(said) <= MAX_LINE
    assert said.isprintable()
    counts = seen.counts
    assert sum(counts[place] for place in PLACES) == len(seen.pods)
    if result_of(seen) is Result.PASS:
        assert counts[Count.INSIDE] == len(seen.pods)
    elif not counts[Count.UNKNOWN]:
        # Whoever reads it can look at one of the pods.
        assert any(pod in said for pod in seen.pods)


@given(st.lists(OWNED, max_size=4))
def test_the_worst_come_first(seen: list[JudgedOwner]) -> None:
    results = [[*Result].index(result_of(one)) for one in sorted(seen, key=rank)]
    assert results == sorted(results)


def test_a_policy_names_ten_owners_at_most_and_nothing_that_is_only_tried_and_waits() -> None:
    many = [owned(OUTSIDE, owner=Owner("apps/v1", "Deployment", f"d{number:02}")) for number in range(12)]
    waiting = owned(PENDING, mode=Mode.WARN)
    assert not needs_action(waiting)
    counts = dict.fromkeys(Count, 1)
    status = report_pods(counts, counts, [waiting, *reversed(many)], ANSWERS).status
    assert [example["owner"] for example in status["podExamples"]] == [
        f"Deployment/d{number:02}" for number in range(10)
    ]
    assert report_pods(counts, counts, [waiting], ANSWERS).status["podExamples"] == []
    assert status["pods"] == {
        "held": 4,
        **dict.fromkeys(("inside", "outside", "pending", "older", "withoutSidecar"), 1),
        "tried": 4,
        "triedOutside": 1,
    }


def test_what_is_held_and_fails_comes_before_all_else() -> None:
    states = [owned(judgement, mode=mode) for judgement, mode in product((INSIDE, OUTSIDE, PENDING, UNKNOWN), Mode)]
    first, *_ = sorted(states, key=rank)
    assert (first.judge.mode, result_of(first)) == (Mode.ENFORCE, Result.FAIL)


def test_owners_of_one_name_are_told_apart_or_named_once() -> None:
    twins = [owned(OUTSIDE, owner=Owner(group, "Deployment", "app")) for group in ("apps/v1", "example.org/v1")]
    counts = dict.fromkeys(Count, 0)
    (example,) = report_pods(counts, counts, twins, ANSWERS).status["podExamples"]
    assert (example["namespace"], example["owner"], example["mode"]) == ("hospital", "Deployment/app", "enforce")
