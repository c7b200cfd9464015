"""What would become of workloads."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.identity.trust_window import trust_windows
from sovereign_operator.core.kubernetes.node_fit import NodeTraits, PodDemands, demands_of
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.preview import preview
from sovereign_operator.core.workload.previewed import Outcome, Previewed, PreviewRow, Replica, Stage, Trigger
from tests import builders

POLICY = "demo"
GOOD, BAD, ALSO = (builders.node(name, f"uid-of-{name}") for name in ("good", "bad", "also"))
SPEC = {
    "good": builders.datacentre(GOOD),
    "bad": builders.datacentre(BAD, service="other"),
    "also": builders.datacentre(ALSO),
}
SERVICES = {"acme-cloud": builders.service(builders.qualification()), "other": builders.service()}
FREE = PodDemands("", ())


def requests(cpu: float = 1) -> dict[str, Decimal]:
    return {"cpu": Decimal(cpu), "pods": Decimal(1)}


def facts(*nodes: Node, datacentres: Mapping[str, Any] | None = None) -> Facts:
    return builders.facts(
        *(nodes or (GOOD, BAD)), services=SERVICES, datacentres=SPEC if datacentres is None else datacentres
    )


def stage(before: Facts | None = None, after: Facts | None = None, cpu: float | None = 4, **taints: Any) -> Stage:
    old = facts() if before is None else before
    new = old if after is None else after
    traits = {name: NodeTraits(name, node.labels, taints.get(name, ())) for name, node in new.nodes.items()}
    free = None if cpu is None else {name: {"cpu": Decimal(cpu), "pods": Decimal(9)} for name in traits}
    return Stage(Verdicts(old), Verdicts(new), frozenset(trust_windows(new)), traits, free)


def replica(node: str | None = None, cpu: float = 1, rules: Mapping[str, Any] | None = None, **fields: Any) -> Replica:
    demands = PodDemands("", demands_of(rules or {}))
    return Replica(demands, requests(cpu), node, requests(cpu) if node else {}, **fields)


def workload(*replicas: Replica, name: str = "app", **fields: Any) -> Previewed:
    return Previewed("hospital", "Deployment", name, replicas, **({"policy": POLICY, "before": None} | fields))


def row(one: Previewed, where: Stage | None = None) -> PreviewRow:
    (found,) = preview([one], stage() if where is None else where)
    return found


WITHDRAWN = facts(datacentres={name: SPEC[name] for name in ("bad",)})
SSD = {"nodeSelector": {"disk": "ssd"}}


@pytest.mark.parametrize(
    ("one", "outcome", "words"),
    [
        (workload(replica("good")), Outcome.RUNS, "run on accepted nodes"),
        (workload(replica()), Outcome.RUNS, "have room for its pods"),
        (workload(), Outcome.RUNS, "asks for no pods"),
        (workload(replica("bad")), Outcome.MOVES, "room for 1 of 1 pods, which run outside: bad is refused"),
        (workload(replica("bad"), bare=True), Outcome.MOVES, "nobody creates it again"),
        (workload(replica("good"), replica("bad")), Outcome.MOVES, "1 of 2"),
        (workload(replica("bad", 9)), Outcome.HANGS, "a pod requests 9 cpu, of which 4 is left"),
        (workload(replica("bad", rules=SSD)), Outcome.HANGS, "does not meet|meets spec.nodeSelector"),
        (workload(replica("good"), refused="two policies"), Outcome.REFUSED, "two policies"),
        (workload(replica("bad", unread="you may not read volumes")), Outcome.CANNOT_TELL, "volumes"),
        (workload(replica("good", unread="you may not read volumes")), Outcome.RUNS, "accepted"),
        (workload(replica("bad", stuck="claim data does not exist")), Outcome.HANGS, "claim data does not exist"),
        (workload(replica("good", stuck="claim data does not exist")), Outcome.RUNS, "accepted"),
        (workload(replica(stuck="no claim"), unjudged="it spreads"), Outcome.HANGS, "no claim"),
        (workload(replica(), unjudged="it spreads"), Outcome.CANNOT_TELL, "it spreads"),
        (workload(replica("bad"), static=True), Outcome.CANNOT_TELL, "bad runs it from a file"),
        (workload(replica("good"), static=True), Outcome.RUNS, "from a file"),
        (workload(replica("bad"), policy=None, before=POLICY), Outcome.RUNS, "no policy"),
        # A sidecar makes pods larger, and nodes have room for that.
        (workload(replace(replica("good"), requests=requests(2))), Outcome.RUNS, "room"),
        (workload(replica("good", 3), starts_first=True), Outcome.RUNS, "accepted"),
        (workload(replica("good", 5), starts_first=True), Outcome.CANNOT_TELL, "starts another one first"),
    ],
)
def test_what_becomes_of_a_workload(one: Previewed, outcome: Outcome, words: str) -> None:
    found = row(one)
    assert found.outcome is outcome, found
    assert any(word in found.reason for word in words.split("|")), found.reason


@pytest.mark.parametrize(
    ("one", "where", "trigger"),
    [
        (workload(replica("bad")), stage(), Trigger.LABEL),
        (workload(replica(), exists=False), stage(), Trigger.CREATION),
        (workload(replica("bad"), before=POLICY), stage(), Trigger.ROLL_OUT),
        (workload(replica("good"), before=POLICY), stage(after=WITHDRAWN), Trigger.WITHDRAWAL),
    ],
)
def test_what_triggers_it(one: Previewed, where: Stage, trigger: Trigger) -> None:
    assert row(one, where).trigger is trigger


def test_pods_whose_datacentre_is_withdrawn_lose_their_certificates() -> None:
    where = stage(after=facts(GOOD, BAD, ALSO, datacentres={name: SPEC[name] for name in ("bad", "also")}))
    one = workload(replica("good"), before=POLICY)
    assert row(one, where).outcome is Outcome.MOVES
    found = row(replace(one, needs_certificate=True), where)
    assert found.outcome is Outcome.CUT_OFF
    assert "withdraws its trust from good" in found.reason


def test_pods_of_a_node_that_is_gone_move() -> None:
    found = row(workload(replica("good"), before=POLICY), stage(facts(GOOD, ALSO), facts(ALSO)))
    assert (found.outcome, found.trigger) == (Outcome.MOVES, Trigger.WITHDRAWAL)
    assert "good is gone" in found.reason


def test_without_an_accepted_node_everything_hangs() -> None:
    found = row(workload(replica("good"), before=POLICY), stage(after=WITHDRAWN))
    assert found.outcome is Outcome.HANGS
    assert found.reason.startswith("policy demo accepts no node: bad is refused: ")


def test_without_the_right_to_list_pods_room_is_not_known() -> None:
    assert row(workload(replica("bad")), stage(cpu=None)).outcome is Outcome.CANNOT_TELL
    assert row(workload(replica("good")), stage(cpu=None)).outcome is Outcome.RUNS
    assert row(workload(replica("bad", rules=SSD)), stage(cpu=None)).outcome is Outcome.HANGS


def daemon(*replicas: Replica, rules: PodDemands = FREE, **fields: Any) -> Previewed:
    return workload(*replicas, template=rules, template_requests=requests(), **fields)


@pytest.mark.parametrize(
    ("one", "outcome", "pods"),
    [
        (daemon(replica("good"), replica("bad")), Outcome.MOVES, 1),
        (daemon(replica("good")), Outcome.RUNS, 1),
        (daemon(replica("good"), unjudged="it uses a port"), Outcome.RUNS, 1),
        (daemon(unjudged="it uses a port"), Outcome.CANNOT_TELL, 1),
        (daemon(template_stuck="claim data does not exist"), Outcome.HANGS, 1),
        (daemon(rules=PodDemands("", demands_of(SSD))), Outcome.RUNS, 0),
        (daemon(replica("bad"), rules=PodDemands("", demands_of(SSD))), Outcome.HANGS, 0),
        (replace(daemon(), template_requests=requests(9)), Outcome.HANGS, 1),
    ],
)
def test_daemon_sets_run_on_every_accepted_node_that_suits_them(one: Previewed, outcome: Outcome, pods: int) -> None:
    found = row(one)
    assert (found.outcome, found.pods) == (outcome, pods), found.reason


def test_room_is_judged_for_all_together() -> None:
    one, other = workload(replica("bad", 3), name="one"), workload(replica("bad", 3), name="other")
    assert {found.outcome for found in preview([one, other], stage())} == {Outcome.CANNOT_TELL}
    assert row(one).outcome is Outcome.MOVES


REPLICAS = st.builds(
    replica,
    st.sampled_from([None, "good", "bad", "also"]),
    st.sampled_from([0.5, 1, 3, 5]),
    st.sampled_from([None, SSD, {"nodeName": "bad"}]),
)
WORKLOADS = st.lists(st.lists(REPLICAS, min_size=1, max_size=3), min_size=1, max_size=4).map(
    lambda found: [workload(*replicas, name=f"app-{number}") for number, replicas in enumerate(found)]
)
BAD_NEWS = {Outcome.HANGS, Outcome.REFUSED, Outcome.CUT_OFF}


@given(WORKLOADS)
def test_nothing_runs_on_a_refused_node(workloads: list[Previewed]) -> None:
    for one, found in zip(workloads, preview(workloads, stage()), strict=True):
        if any(each.node in ("bad", "also") for each in one.replicas):
            assert found.outcome is not Outcome.RUNS


@given(WORKLOADS)
def test_an_empty_accepted_node_stops_nothing(workloads: list[Previewed]) -> None:
    fewer, more = preview(workloads, stage()), preview(workloads, stage(facts(GOOD, BAD, ALSO)))
    for before, after in zip(fewer, more, strict=True):
        assert not (before.outcome in {Outcome.RUNS, Outcome.MOVES} and after.outcome in BAD_NEWS)


@given(WORKLOADS, st.randoms())
def test_the_order_of_workloads_and_pods_does_not_matter(workloads: list[Previewed], chance: Any) -> None:
    shuffled = [replace(one, replicas=tuple(chance.sample(one.replicas, len(one.replicas)))) for one in workloads]
    chance.shuffle(shuffled)
    assert [(found.workload, found.outcome) for found in preview(shuffled, stage())] == [
        (found.workload, found.outcome) for found in preview(workloads, stage())
    ]
