"""Verdicts that are kept up to date are those that would be decided afresh, whatever changes in whatever order."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.core.placement.derogation import Derogations
from sovereign_operator.core.placement.derogation_status import report_derogation
from sovereign_operator.core.placement.facts import Claims, Facts, Unread
from sovereign_operator.core.placement.next_change import next_change
from sovereign_operator.core.placement.status import report_datacentre, report_policy, report_service
from sovereign_operator.core.placement.verdicts import Verdicts
from tests import strategies
from tests.builders import SITE_LABEL, datacentre, facts, node
from tests.unit.placement.brute_force import accepted_nodes, node_verdicts, site_verdicts

PARTS = ("services", "datacentres", "policies", "derogations", "nodes", "now", "unread", "hosts")

UNREAD = st.builds(
    Unread,
    st.frozensets(st.sampled_from(strategies.SERVICES)),
    st.dictionaries(
        st.just("unread-1"),
        st.builds(
            Claims,
            st.frozensets(st.tuples(st.sampled_from(strategies.NODES), st.just(""))),
            st.none() | strategies.SELECTORS,
            st.just(()) | strategies.POOLS,
            anything=st.booleans(),
        ),
    ),
)
HOSTS = st.dictionaries(st.sampled_from(strategies.POLICIES), st.frozensets(st.sampled_from(strategies.NODES)))


@st.composite
def successors(draw: st.DrawFn, told: Facts) -> Facts:
    """Draw facts of which some parts, or some objects of a part, are as before."""
    drawn = replace(draw(strategies.facts()), unread=draw(UNREAD), hosts=draw(HOSTS))
    for part in PARTS:
        match draw(st.sampled_from(("old", "new", "mixed"))), getattr(told, part):
            case "old", before:
                drawn = replace(drawn, **{part: before})
            case "mixed", Derogations() as before:
                drawn = replace(drawn, derogations=Derogations({**before, **drawn.derogations}))
            case "mixed", dict() as before:
                drawn = replace(drawn, **{part: before | getattr(drawn, part)})
            case _:
                pass
    return drawn


@given(st.data())
def test_they_are_those_that_would_be_decided_afresh(data: st.DataObject) -> None:
    told = data.draw(strategies.facts())
    verdicts = Verdicts(told)
    for _ in range(data.draw(st.integers(1, 4))):
        before, told = told, data.draw(successors(told))
        changed = {
            name: told.nodes.get(name)
            for name in before.nodes.keys() | told.nodes.keys()
            if before.nodes.get(name) != told.nodes.get(name) or data.draw(st.booleans())
        }
        changes = verdicts.update(told, changed)
        assert dict(verdicts.facts.nodes) == dict(told.nodes)

        old, new = node_verdicts(before), node_verdicts(told)
        assert dict(verdicts.nodes) == new
        assert changes.verdicts == tuple(key for key in sorted(new) if new[key] != old.get(key))
        different = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        gone = before.nodes.keys() - told.nodes.keys()
        assert changes.nodes == {name for name, _ in different} | gone
        assert changes.judging == {policy for _, policy in different}

        old_sites, sites = site_verdicts(before), site_verdicts(told)
        assert verdicts.sites == sites
        assert changes.sites == {key for key in old_sites.keys() | sites.keys() if old_sites.get(key) != sites.get(key)}
        assert verdicts.next_change == next_change(told)

        accepted, accepted_before = accepted_nodes(told), accepted_nodes(before)
        assert {policy: verdicts.accepted_nodes(policy) for policy in told.policies} == accepted
        assert changes.accepted == {
            policy
            for policy in accepted.keys() | accepted_before.keys()
            if accepted.get(policy) != accepted_before.get(policy)
        }
        anywhere = {name for names in accepted.values() for name in names}
        assert {name for name in told.nodes if verdicts.accepted_at_all(name)} == anywhere
        assert verdicts.accept_none is not bool(anywhere)


@given(st.data())
def test_no_other_datacentre_has_another_report(data: st.DataObject) -> None:
    told = data.draw(strategies.facts())
    verdicts = Verdicts(told)
    for _ in range(2):
        before = {name: report_datacentre(name, verdicts.facts, verdicts) for name in told.datacentres}
        services = {name: report_service(name, verdicts.facts, verdicts) for name in told.services}
        policies = {name: report_policy(name, verdicts.facts, verdicts) for name in told.policies}
        derogations = {name: report_derogation(name, verdicts.facts, verdicts.sites) for name in told.derogations}
        former, told = told, data.draw(successors(told))
        told = replace(told, now=data.draw(st.sampled_from((former.now, told.now))))
        changes = verdicts.update(told, dict.fromkeys(former.nodes) | dict(told.nodes))
        outdated = changes.datacentres | {pair.datacentre for pair in changes.sites}
        for name in told.datacentres.keys() - outdated:
            assert report_datacentre(name, verdicts.facts, verdicts) == before[name]
        shown = {pair.policy for pair in changes.sites} | changes.judging | changes.accepted
        for name in told.policies.keys() - shown:
            assert report_policy(name, verdicts.facts, verdicts) == policies[name]
        assert changes.derogations >= told.derogations.keys() ^ former.derogations.keys()
        for name in told.derogations.keys() - changes.derogations:
            assert report_derogation(name, verdicts.facts, verdicts.sites) == derogations[name]
        # Time alone changes the report of a service, which may be late.
        for name in told.services.keys() & former.services.keys() if told.now == former.now else ():
            if told.services[name] == former.services[name] and not changes.datacentres:
                assert report_service(name, verdicts.facts, verdicts) == services[name]


FIRST, SECOND = node("node-1"), node("node-2", labels={SITE_LABEL: "brest"})
ALONE = {"rennes": datacentre(FIRST, SECOND), "lyon": datacentre(node("node-3"))}
TWICE = ALONE | {"brest": datacentre(SECOND)}


@pytest.mark.parametrize(
    ("before", "after", "concerned"),
    [
        pytest.param(ALONE, TWICE, {"brest", "rennes"}, id="another-one-declares-it"),
        pytest.param(ALONE, ALONE | {"brest": datacentre(selector=SECOND.labels)}, {"brest", "rennes"}, id="selects"),
        pytest.param(TWICE, ALONE, {"brest", "rennes"}, id="one-of-two-is-deleted"),
        pytest.param(TWICE, TWICE | {"rennes": datacentre(FIRST)}, {"brest", "rennes"}, id="one-gives-it-up"),
        pytest.param(TWICE, TWICE | {"lyon": datacentre(SECOND)}, {"brest", "lyon", "rennes"}, id="a-third-one"),
        pytest.param(TWICE, TWICE | {"lyon": datacentre(FIRST)}, {"lyon", "rennes"}, id="another-node"),
    ],
)
def test_the_datacentres_that_claim_a_node_with_others_are_looked_at_again(
    before: Mapping[str, DatacentreSpec], after: Mapping[str, DatacentreSpec], concerned: set[str]
) -> None:
    verdicts = Verdicts(facts(FIRST, SECOND, datacentres=before))
    assert verdicts.update(facts(FIRST, SECOND, datacentres=after), {}).datacentres == concerned


SELECTED = datacentre(FIRST, selector=SECOND.labels)


@pytest.mark.parametrize("claims", [TWICE, {"brest": SELECTED, "rennes": SELECTED}], ids=["declared", "selected"])
def test_a_node_that_two_claim_concerns_both_when_it_goes_and_comes_back(claims: Mapping[str, DatacentreSpec]) -> None:
    verdicts = Verdicts(facts(SECOND, datacentres=claims))
    assert verdicts.update(facts(datacentres=claims), {SECOND.name: None}).datacentres == {"brest", "rennes"}
    assert verdicts.claimed_twice_in("brest") == []
    assert verdicts.update(facts(datacentres=claims), {SECOND.name: SECOND}).datacentres == {"brest", "rennes"}
    assert verdicts.claimed_twice_in("brest") == verdicts.claimed_twice_in("rennes") == [SECOND.name]
