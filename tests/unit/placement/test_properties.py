"""Properties of all facts, not only of hand-written cases."""

from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import find, given
from hypothesis import strategies as st

from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.membership import by_labels, declarations
from sovereign_operator.core.placement.next_change import next_change
from sovereign_operator.core.placement.verdict import judge_node
from sovereign_operator.core.placement.verdicts import Verdicts
from tests import fact_variants, strategies
from tests.builders import qualification, service
from tests.unit.hypothesis_settings import ANY_EXAMPLE
from tests.unit.placement import oracle
from tests.unit.placement.canonical import canonical


@given(strategies.facts())
def test_a_site_is_accepted_exactly_if_all_demands_are_met(facts: Facts) -> None:
    for (policy, datacentre), verdict in Verdicts(facts).sites.items():
        expected = oracle.accepts_site(facts, policy, facts.datacentres[datacentre])
        assert verdict.accepted is expected


@given(strategies.facts())
def test_a_node_alone_is_judged_as_among_all(facts: Facts) -> None:
    for (name, policy), verdict in Verdicts(facts).nodes.items():
        declaring = {site: facts.datacentres[site] for site in declarations(facts.datacentres).get(name, {})}
        near = by_labels(facts.datacentres) | declaring
        alone = replace(facts, nodes={}, datacentres=near)
        assert judge_node(facts.nodes[name], policy, alone) == verdict


@given(strategies.facts())
def test_where_a_scheme_is_demanded_nothing_is_accepted_without_qualification_or_derogation(facts: Facts) -> None:
    today = oracle.today_in_paris(facts.now)
    for (_, policy_name), verdict in Verdicts(facts).nodes.items():
        policy = facts.policies[policy_name]
        for demand in policy.qualifications if verdict.accepted else ():
            assert verdict.service is not None
            qualified = oracle.is_qualified(facts.services[verdict.service], demand, today)
            assert qualified or oracle.is_waived(facts, policy_name, verdict.service, demand.scheme)
            assert demand.scheme in {basis.scheme for basis in verdict.basis}


@given(strategies.facts())
def test_an_accepted_node_is_claimed_by_one_datacentre_whose_site_is_accepted(facts: Facts) -> None:
    verdicts = Verdicts(facts)
    for (name, policy), verdict in verdicts.nodes.items():
        claimed = [site for site, spec in facts.datacentres.items() if oracle.claims(spec, facts.nodes[name])]
        assert verdict.datacentre == (claimed[0] if len(claimed) == 1 else None)
        if verdict.accepted:
            assert verdict.datacentre is not None
            assert verdicts.sites[Pair(policy, verdict.datacentre)].accepted


@given(st.data())
def test_a_policy_that_demands_more_never_accepts_more(data: st.DataObject) -> None:
    facts = data.draw(strategies.facts())
    for name, policy in facts.policies.items():
        strict = data.draw(fact_variants.stricter(policy))
        before, after = Verdicts(facts), Verdicts(replace(facts, policies={**facts.policies, name: strict}))
        assert set(after.accepted_nodes(name)) <= set(before.accepted_nodes(name))
        for key, verdict in after.sites.items():
            assert before.sites[key].accepted or not verdict.accepted


@given(st.data())
def test_a_derogation_less_never_accepts_more(data: st.DataObject) -> None:
    facts = data.draw(strategies.facts())
    before, after = Verdicts(facts), Verdicts(data.draw(fact_variants.waiving_less(facts)))
    for key, verdict in after.sites.items():
        assert before.sites[key].accepted or not verdict.accepted


@given(st.data())
def test_the_same_facts_in_any_order_give_the_same_bytes(data: st.DataObject) -> None:
    facts = data.draw(strategies.facts())
    assert canonical(Verdicts(data.draw(fact_variants.reordered(facts)))) == canonical(Verdicts(facts))


@given(strategies.facts())
def test_the_decision_id_tells_verdicts_apart(facts: Facts) -> None:
    verdicts = Verdicts(facts).nodes.values()
    said = {verdict.decision_id: verdict for verdict in verdicts}
    assert len(said) == len(verdicts)


@given(strategies.facts())
def test_a_refusal_always_says_why_and_an_acceptance_never_does(facts: Facts) -> None:
    for verdict in Verdicts(facts).nodes.values():
        assert verdict.accepted is verdict.sentence.startswith("accepted: ")
        assert verdict.accepted is not bool(verdict.findings)
        assert all(finding.message for finding in verdict.findings)


def test_the_strategies_reach_what_the_properties_are_about() -> None:
    """A property over facts that accept nothing would hold for any code."""

    def accepted_by_a_demanding_policy(facts: Facts) -> bool:
        return any(
            verdict.accepted and facts.policies[policy].qualifications
            for (_, policy), verdict in Verdicts(facts).nodes.items()
        )

    def accepted_by_derogation(facts: Facts) -> bool:
        return any(
            basis.derogation
            for verdict in Verdicts(facts).nodes.values()
            if verdict.accepted
            for basis in verdict.basis
        )

    assert find(strategies.facts(), accepted_by_a_demanding_policy, settings=ANY_EXAMPLE)
    assert find(strategies.facts(), accepted_by_derogation, settings=ANY_EXAMPLE)


@given(strategies.facts(), st.datetimes(timezones=st.just(UTC)), st.dates(), st.dates())
def test_any_date_and_any_instant_can_be_judged(facts: Facts, now: datetime, one: date, other: date) -> None:
    entry = qualification(since=min(one, other), until=max(one, other))
    told = replace(facts, services={**facts.services, "acme-cloud": service(entry)}, now=now)
    assert len(Verdicts(told).sites) == len(told.datacentres) * len(told.policies)
    change = next_change(told)
    assert change is None or change > now
