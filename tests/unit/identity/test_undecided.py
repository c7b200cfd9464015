"""An object that cannot be read delays only decisions that depend on it; certain withdrawals still happen."""

from functools import partial

import pytest

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, QualificationStatus
from sovereign_operator.core.identity.authorities import LEAF_LIFETIME, KnownAuthority, Plan, UndecidedPairs, plan
from sovereign_operator.core.identity.trust_window import trust_windows
from sovereign_operator.core.identity.undecided import leaves_open
from sovereign_operator.core.placement.facts import Claims, Facts, Pair, Unread
from tests.builders import NOW, datacentre, demand, policy, qualification, service

SUSPENDED = service(qualification(status=QualificationStatus.SUSPENDED))
ACCEPTED = service(qualification())
NOTHING = Unread()
SERVICES = {"good": ACCEPTED, "bad": SUSPENDED}
DATACENTRES = {"gra": "good", "rbx": "bad"}


def facts(
    services: dict[str, CloudServiceSpec], *, without: Unread = NOTHING, countries: tuple[str, ...] = ("FR",)
) -> Facts:
    """Return an accepted and a suspended datacentre under two policies, without the objects that cannot be read."""
    return Facts(
        services={name: found for name, found in services.items() if name not in without.services},
        datacentres={
            name: datacentre(service=of) for name, of in DATACENTRES.items() if name not in without.datacentres
        },
        policies={
            name: policy(demand(), countries=countries) for name in ("one", "two") if name not in without.policies
        },
        nodes={},
        now=NOW,
        unread=without,
    )


def authority(of: str, place: str, *, published: bool = True) -> KnownAuthority:
    begin = NOW - LEAF_LIFETIME
    return KnownAuthority(
        f"{of}.{place}", Pair(of, place), begin, NOW + 200 * LEAF_LIFETIME, begin if published else None
    )


ALL = [authority(of, place) for of in ("one", "two") for place in DATACENTRES]


def planned(unread: Unread, found: Facts, trusted: dict[str, tuple[str, ...]] | None = None) -> Plan:
    listed = {name: [one.id for one in ALL] for name in unread.policies}
    undecided = UndecidedPairs(partial(leaves_open, found), listed)
    wanted = dict.fromkeys(found.policies, ()) | (trusted or {})
    return plan(trust_windows(found), wanted, ALL, found.now, undecided)


def test_all_that_can_be_read_is_decided() -> None:
    found = planned(Unread(), facts(SERVICES))
    assert found.retire == ("one.rbx", "two.rbx")
    assert found.bundles == {"one": ("one.gra",), "two": ("two.gra",)}


def test_a_service_that_cannot_be_read_holds_up_its_own_datacentres_alone() -> None:
    unread = Unread(services=frozenset({"good"}))
    found = planned(unread, facts(SERVICES, without=unread))
    assert found.retire == ("one.rbx", "two.rbx"), "what another service withdraws is withdrawn"
    assert found.bundles == {"one": ("one.gra",), "two": ("two.gra",)}, "trust stays as it is"
    assert not found.signing
    assert not found.create


def test_a_datacentre_that_cannot_be_read_keeps_what_it_has() -> None:
    unread = Unread(datacentres={"rbx": Claims()})
    found = planned(unread, facts(SERVICES, without=unread))
    assert not found.retire
    assert found.bundles["one"] == ("one.gra", "one.rbx")
    assert set(found.signing) == {("one", "gra"), ("two", "gra")}


def test_a_policy_that_cannot_be_read_holds_up_no_other() -> None:
    unread = Unread(policies=frozenset({"two"}))
    found = planned(unread, facts(SERVICES, without=unread))
    assert found.retire == ("one.rbx",)
    assert found.bundles == {"one": ("one.gra",), "two": ("one.gra", "two.gra", "two.rbx")}
    assert set(found.signing) == {("one", "gra")}


def test_a_policy_that_trusts_one_that_cannot_be_read_goes_on_to() -> None:
    unread = Unread(policies=frozenset({"two"}))
    found = planned(unread, facts(SERVICES, without=unread), trusted={"one": ("two",)})
    assert found.bundles["one"] == ("one.gra", "two.gra", "two.rbx")


def test_an_approved_derogation_that_cannot_be_read_keeps_what_it_may_waive() -> None:
    unread = Unread(derogations=frozenset({"pilot"}))
    found = planned(unread, facts(SERVICES, without=unread))
    assert not found.retire
    assert found.bundles["one"] == ("one.gra", "one.rbx")
    assert set(found.signing) == {("one", "gra"), ("two", "gra")}


def test_a_derogation_that_cannot_be_read_waives_no_other_demand() -> None:
    unread = Unread(derogations=frozenset({"pilot"}))
    found = planned(unread, facts(SERVICES, without=unread, countries=("DE",)))
    assert found.retire == ("one.gra", "one.rbx", "two.gra", "two.rbx")


def test_what_nobody_knows_any_more_is_withdrawn_all_the_same() -> None:
    """The withdrawal of a deleted policy or datacentre depends on no other object."""
    unread = Unread(services=frozenset({"good"}), policies=frozenset({"two"}))
    left = facts(SERVICES, without=unread)
    gone = Facts(left.services, {"rbx": datacentre(service="bad")}, {}, {}, NOW, unread=unread)
    assert planned(unread, gone).retire == ("one.gra", "one.rbx", "two.gra")


def test_another_country_is_certain_whatever_the_service_says() -> None:
    unread = Unread(services=frozenset({"good"}))
    found = planned(unread, facts(SERVICES, without=unread, countries=("DE",)))
    assert found.retire == ("one.gra", "one.rbx", "two.gra", "two.rbx")


def test_what_was_never_trusted_is_kept_and_not_trusted_now() -> None:
    unread = Unread(services=frozenset({"good"}))
    found = facts(SERVICES, without=unread)
    new = authority("one", "gra", published=False)
    result = plan(trust_windows(found), {"one": ()}, [new], NOW, UndecidedPairs(partial(leaves_open, found)))
    assert (result.retire, result.bundles) == ((), {"one": ()})


@pytest.mark.parametrize("unread", [Unread(services=frozenset({"bad"})), Unread(datacentres={"rbx": Claims()})])
def test_what_has_ended_goes(unread: Unread) -> None:
    found = facts(SERVICES, without=unread)
    ended = KnownAuthority("old", Pair("one", "rbx"), NOW - 2 * LEAF_LIFETIME, NOW, NOW - LEAF_LIFETIME)
    undecided = UndecidedPairs(partial(leaves_open, found))
    assert plan(trust_windows(found), {"one": ()}, [ended], NOW, undecided).retire == ("old",)
