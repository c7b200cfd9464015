"""What the metrics say of the pods that policies judge."""

from collections.abc import Iterator
from typing import Any

import pytest

from sovereign_operator.controller import metrics
from tests.unit.controller.judged_estate import PLACED, change, estate, namespace, pod, policy

GAUGES: dict[str, Any] = {
    "judged": metrics.PODS_JUDGED,
    "in scope": metrics.PODS_IN_SCOPE,
    "outside": metrics.PODS_OUTSIDE,
    "older": metrics.PODS_OLDER,
    "bare": metrics.PODS_BARE,
}
PODS = (
    pod("db-0", "brest-1", PLACED),
    pod("db-1", "paris-1"),
    pod("db-2", labels=PLACED),
    pod("done-0", "paris-1", status={"phase": "Succeeded"}),
)
BOTH = (policy("hds"), policy("strict", countries=["DE"]))


@pytest.fixture(autouse=True)
def _no_other_numbers() -> Iterator[None]:
    for gauge in GAUGES.values():
        gauge.clear()
    yield
    for gauge in GAUGES.values():
        gauge.clear()


def shown(what: str) -> dict[str, float]:
    """Return the numbers other than 0 that a gauge shows, by the values of its labels."""
    (family,) = GAUGES[what].collect()
    return {" ".join(sample.labels.values()): sample.value for sample in family.samples if sample.value}


def test_each_pod_counts_for_each_policy_that_judges_it() -> None:
    estate(*PODS, namespaces=(namespace(enforce="hds", warn="strict"),), policies=BOTH)
    assert shown("judged") == {
        "ward hds enforce inside": 1,
        "ward hds enforce outside": 1,
        "ward hds enforce pending": 1,
        "ward strict warn inside": 1,
        "ward strict warn outside": 1,
        "ward strict warn pending": 1,
    }
    assert shown("in scope") == {"ward hds inside": 1, "ward hds outside": 1, "ward hds pending": 1}
    assert (shown("older"), shown("bare")) == ({"ward hds": 1}, {})


def test_a_namespace_that_leaves_shows_nothing_any_more() -> None:
    state = estate(*PODS, namespaces=(namespace(enforce="hds", audit="strict"),), policies=BOTH)
    change(state, "namespaces", namespace(audit="strict"))
    assert {key for key in shown("judged") if " hds " in key} == set()
    assert shown("judged")["ward strict audit outside"] == 1
    change(state, "namespaces", namespace())
    for gauge in GAUGES.values():
        (family,) = gauge.collect()
        assert not family.samples


def test_a_policy_that_does_not_exist_vouches_for_no_pod() -> None:
    state = estate(*PODS, namespaces=(namespace(enforce="hsd", audit="hds"),), policies=BOTH)
    (family,) = metrics.PODS_IN_SCOPE.collect()
    assert not family.samples
    assert shown("judged")["ward hsd enforce unknown"] == 3
    change(state, "sovereigntypolicies", *BOTH, policy("hsd"))
    assert shown("judged")["ward hsd enforce outside"] == 1
    assert "ward hsd enforce unknown" not in shown("judged")


def test_pods_without_a_sidecar_count_while_the_policy_demands_one() -> None:
    encrypts = policy("hds", encryptionInTransit={"mode": "Permissive"})
    state = estate(*PODS, namespaces=(namespace(enforce="hds", warn="strict"),), policies=(encrypts, BOTH[1]))
    assert shown("bare") == {"ward hds": 3}
    change(state, "sovereigntypolicies", *BOTH)
    assert shown("bare") == {}
    change(state, "sovereigntypolicies", encrypts, BOTH[1])
    assert shown("bare") == {"ward hds": 3}


def test_pods_outside_count_by_datacentre_and_service() -> None:
    held = namespace(enforce="hds", warn="strict")
    state = estate(*PODS, pod("lost-0", "gone-1"), namespaces=(held,), policies=BOTH)
    assert shown("outside") == {"ward hds berlin armor": 1, "ward hds (none) (none)": 1}
    # Where no pod is outside any more, an alert that looks back has to see that.
    state.view.tally.note([("ward", "db-1")])
    change(state, "sovereigntypolicies", policy("hds", countries=["FR", "DE"]), BOTH[1])
    assert shown("outside") == {"ward hds (none) (none)": 1}
    (family,) = metrics.PODS_OUTSIDE.collect()
    assert {tuple(sample.labels.values()): sample.value for sample in family.samples}[
        "ward", "hds", "berlin", "armor"
    ] == 0
    change(state, "namespaces", namespace(warn="hds"))
    (family,) = metrics.PODS_OUTSIDE.collect()
    assert not family.samples


def test_pods_outside_follow_their_node_into_another_datacentre() -> None:
    state = estate(*PODS, namespaces=(namespace(enforce="hds"),), policies=BOTH)
    assert shown("outside") == {"ward hds berlin armor": 1}
    found = state.view.object("datacentres", "berlin")
    assert found is not None
    moved = found | {"metadata": found["metadata"] | {"name": "munich", "uid": "uid-of-munich"}}
    brest = state.view.object("datacentres", "brest")
    assert brest is not None
    state.view.tally.note([("ward", "db-1")])
    change(state, "datacentres", brest, moved)
    assert shown("outside") == {"ward hds munich armor": 1}
