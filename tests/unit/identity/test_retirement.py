"""Which authorities count, which keys are destroyed, and when nothing may change."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sovereign_operator.core import names
from sovereign_operator.core.identity.authorities import NewAuthority, Plan
from sovereign_operator.core.identity.retirement import (
    KeyChanges,
    State,
    Stored,
    idle_authorities,
    is_candidate,
    latest_end,
    plan_key_changes,
    unusable_authorities,
    why_frozen,
)
from sovereign_operator.core.identity.trust_window import SigningTime, TrustWindow, signing_time
from sovereign_operator.core.placement.calendar import NEVER
from sovereign_operator.core.placement.facts import Claims, Facts, Pair, Unread
from tests.builders import NOW, datacentre, facts, policy, service

A_DAY = timedelta(days=1)
GRA, RBX = Pair("hds", "gra"), Pair("hds", "rbx")
FAULT = "it is no CA"
TWICE = "another Secret holds the same key: each policy and datacentre needs an authority with its own key"


def stored(name: str = "a", *, state: State | None = State.ACTIVE, pair: Pair = GRA, **fields: Any) -> Stored:
    """Build an authority that is in its bundle and recorded as published."""
    usual: dict[str, Any] = {"public_key": name.encode(), "published": True, "listed": True}
    return Stored(name, pair, state, **usual | fields)


# Which authorities count

REFUSED: dict[str, tuple[tuple[Stored, ...], dict[str, tuple[str, ...]]]] = {
    "none": ((), {}),
    "made by us": ((stored(),), {}),
    "brought": ((stored(state=State.BROUGHT),), {}),
    "retired, which asks for nothing": ((stored(state=State.RETIRED, problems=(FAULT,)),), {}),
    "withdrawn": ((stored(state=State.WITHDRAWN, problems=(FAULT,)),), {}),
    "with a problem": ((stored(problems=(FAULT,)),), {"a": (FAULT,)}),
    "with a label that means nothing": ((stored(state=None, public_key=b"", problems=(FAULT,)),), {"a": (FAULT,)}),
    "two of one key": ((stored("a", public_key=b"k"), stored("b", public_key=b"k")), {"a": (TWICE,), "b": (TWICE,)}),
    "two of one key, one with a problem besides": (
        (stored("a", public_key=b"k", problems=(FAULT,)), stored("b", public_key=b"k", state=State.BROUGHT)),
        {"a": (FAULT, TWICE), "b": (TWICE,)},
    ),
    "one of the key of a retired one": (
        (stored("a", public_key=b"k"), stored("b", public_key=b"k", state=State.RETIRED)),
        {},
    ),
    "two whose certificates cannot be read": (
        (stored("a", public_key=b"", problems=(FAULT,)), stored("b", public_key=b"", problems=(FAULT,))),
        {"a": (FAULT,), "b": (FAULT,)},
    ),
}


@pytest.mark.parametrize(("held", "refused"), REFUSED.values(), ids=REFUSED)
def test_authorities_do_not_count(held: tuple[Stored, ...], refused: dict[str, tuple[str, ...]]) -> None:
    assert unusable_authorities(held) == refused


def test_what_is_retired_or_withdrawn_is_no_candidate() -> None:
    assert {state for state in (None, *State) if is_candidate(state)} == {None, State.ACTIVE, State.BROUGHT}


@pytest.mark.parametrize(
    ("window", "listed", "latest"),
    [
        (TrustWindow(accepting=True, until=NOW + A_DAY), False, NOW + A_DAY),
        (TrustWindow(accepting=True, until=NOW + A_DAY), True, NEVER),
        (TrustWindow(accepting=True, until=None), False, NEVER),
        (None, False, NEVER),
    ],
    ids=["not trusted yet", "it counts already", "no end is recorded", "not accepted"],
)
def test_what_is_brought_ends_with_its_datacentre_unless_it_counts_already(
    window: TrustWindow | None, latest: Any, *, listed: bool
) -> None:
    assert latest_end(window, listed=listed) == latest


@pytest.mark.parametrize(
    ("window", "until", "last"),
    [
        (TrustWindow(accepting=True, until=None), 5, 5),
        (TrustWindow(accepting=True, until=NOW + 3 * A_DAY, accepted_until=NOW + 2 * A_DAY), 3, 2),
        (TrustWindow(accepting=True, until=NOW + 9 * A_DAY, accepted_until=NOW + 2 * A_DAY), 5, 2),
        (TrustWindow(accepting=True, until=NOW + 9 * A_DAY, accepted_until=NOW + 8 * A_DAY), 5, 5),
    ],
)
def test_an_authority_signs_until_it_ends_or_what_it_rests_on_does(window: TrustWindow, until: int, last: int) -> None:
    assert signing_time(NOW + 5 * A_DAY, window) == SigningTime(NOW + until * A_DAY, NOW + last * A_DAY)


# When nothing may change

ALL_THERE = facts(services={"acme": service()}, datacentres={"gra": datacentre()}, policies={"hds": policy()})
NONE_THERE = Facts({}, {}, {}, {}, NOW)
UNREAD = Unread(services=frozenset({"acme"}), datacentres={"gra": Claims()}, policies=frozenset({"hds"}))
ACTIVE: dict[str, State | None] = {"a": State.ACTIVE}

FROZEN: dict[str, tuple[Facts, dict[str, State | None], dict[str, Any], str]] = {
    "all is there": (ALL_THERE, ACTIVE, {}, ""),
    "what was moved is seen": (ALL_THERE, ACTIVE, {"awaited": frozenset({"a"})}, ""),
    "what was moved is not seen": (
        ALL_THERE,
        ACTIVE,
        {"awaited": frozenset({"a", "c", "b"}), "gone": ["x"]},
        "authorities that were moved and are not seen yet: b, c",
    ),
    "a CRD is gone": (ALL_THERE, ACTIVE, {"gone": ["x", "y"]}, "CRDs missing or being deleted: x, y"),
    "no key, and pods trust some": (ALL_THERE, {}, {"trusted_since": NOW}, "namespace keys holds no key at all"),
    "no key, and nobody trusts any": (ALL_THERE, {}, {}, ""),
    "the signer's own authority alone": (
        ALL_THERE,
        {"authority-serving": State.SERVING},
        {"trusted_since": NOW},
        "namespace keys holds no key at all",
    ),
    "no key, and an admin says that they are lost": (
        ALL_THERE,
        {"told": State.LOST},
        {"trusted_since": NOW, "told": {"told": NOW + timedelta(seconds=1)}},
        "",
    ),
    "no key, and an admin said so of others, before": (
        ALL_THERE,
        {"told": State.LOST},
        {"trusted_since": NOW, "told": {"told": NOW}},
        "namespace keys holds no key at all",
    ),
    "a withdrawn key is a key": (ALL_THERE, {"a": State.WITHDRAWN}, {"trusted_since": NOW}, ""),
    "nothing is declared any more": (
        NONE_THERE,
        ACTIVE,
        {},
        "there is no CloudService and no Datacentre and no SovereigntyPolicy at all, which nobody may have meant",
    ),
    "no policy is there any more": (
        replace(ALL_THERE, policies={}),
        ACTIVE,
        {},
        "there is no SovereigntyPolicy at all, which nobody may have meant",
    ),
    "nothing can be read": (replace(NONE_THERE, unread=UNREAD), ACTIVE, {}, ""),
    "nothing was declared yet": (NONE_THERE, {}, {}, ""),
    "nothing is declared, and all keys are an admin's": (NONE_THERE, {"a": State.BROUGHT}, {}, ""),
}


@pytest.mark.parametrize(("found", "states", "changed", "why"), FROZEN.values(), ids=FROZEN)
def test_everything_stays_as_it_is(
    found: Facts, states: dict[str, State | None], changed: dict[str, Any], why: str
) -> None:
    usual: dict[str, Any] = {
        "awaited": frozenset(),
        "gone": (),
        "trusted_since": None,
        "told": {},
        "keys_namespace": "keys",
    }
    said = why_frozen(found, states, **usual | changed)
    assert said.startswith(why)
    assert bool(said) is bool(why)


def test_whoever_lost_the_keys_is_told_what_to_do_wherever_pods_read_whom_they_trust() -> None:
    """No ClusterTrustBundle is served before Kubernetes 1.37, and nobody but the signer deletes a trust ConfigMap."""
    said = why_frozen(ALL_THERE, {}, awaited=frozenset(), gone=(), trusted_since=NOW, told={}, keys_namespace="keys")
    assert f"create a Secret there with the label {names.AUTHORITY_LABEL}=lost" in said
    assert "ClusterTrustBundle" not in said


# Which Secrets to change


def retiring(*names: str) -> Plan:
    return Plan(create=(), retire=names, bundles={}, signing={})


DESTROYED: dict[str, tuple[Stored, Plan, Plan, bool]] = {
    "as both clocks have it": (stored(), retiring("a"), retiring("a"), True),
    "as the API server's clock alone has it": (stored(), retiring("a"), retiring(), False),
    "as our own clock alone has it": (stored(), retiring(), retiring("a"), False),
    "another one": (stored(), retiring("b"), retiring("b"), False),
    "made by us, and never trusted": (stored(listed=False, published=False), retiring("a"), retiring("a"), True),
    "brought": (stored(state=State.BROUGHT), retiring("a"), retiring("a"), True),
    "brought, and trusted once": (stored(state=State.BROUGHT, listed=False), retiring("a"), retiring("a"), True),
    "brought, and trusted just now": (stored(state=State.BROUGHT, published=False), retiring("a"), retiring("a"), True),
    "brought before its datacentre is accepted": (
        stored(state=State.BROUGHT, listed=False, published=False),
        retiring("a"),
        retiring("a"),
        False,
    ),
}


@pytest.mark.parametrize(("one", "planned", "careful", "destroyed"), DESTROYED.values(), ids=DESTROYED)
def test_a_key_is_destroyed(one: Stored, planned: Plan, careful: Plan, *, destroyed: bool) -> None:
    assert plan_key_changes(planned, careful, [one], {"a"}).destroy == (("a",) if destroyed else ())
    assert plan_key_changes(planned, careful, [one], ()).destroy == (), "what does not count is left alone"


@pytest.mark.parametrize(
    ("one", "noted"),
    [
        (stored(published=False), True),
        (stored(), False),
        (stored(published=False, listed=False), False),
    ],
    ids=["it is in its bundle", "that is known", "it is not"],
)
def test_it_is_remembered_that_an_authority_is_in_its_bundle(one: Stored, *, noted: bool) -> None:
    assert plan_key_changes(retiring(), retiring(), [one], {"a"}).publish == (("a",) if noted else ())


@pytest.mark.parametrize("state", [None, *State])
def test_where_an_admin_brings_keys_no_others_are_made(state: State | None) -> None:
    wanted = (NewAuthority(GRA, NOW + A_DAY), NewAuthority(RBX, NOW + A_DAY))
    planned = replace(retiring(), create=wanted)
    house = plan_key_changes(planned, planned, [stored(state=state, pair=GRA, problems=(FAULT,))], ())
    admins = state in {State.BROUGHT, State.WITHDRAWN}
    assert house == KeyChanges(publish=(), destroy=(), create=wanted[1:] if admins else wanted)


IDLE: dict[str, tuple[Stored, str]] = {
    "one that an admin has to label again": (stored(state=State.WITHDRAWN), "label its Secret"),
    "one of a pair that is not accepted": (
        stored(state=State.BROUGHT, pair=Pair("hds", "mistyped")),
        "there is no SovereigntyPolicy hds that accepts Datacentre mistyped now",
    ),
    "one that is used": (stored(state=State.BROUGHT), ""),
    "one with a problem, which is reported by itself": (
        stored(state=State.BROUGHT, pair=Pair("hds", "mistyped"), problems=("its key is too short",)),
        "",
    ),
    "one of the operator's": (stored(state=State.ACTIVE, pair=Pair("hds", "gone")), ""),
}


@pytest.mark.parametrize(("one", "why"), IDLE.values(), ids=IDLE.keys())
def test_an_imported_authority_that_no_pod_trusts_is_named(one: Stored, why: str) -> None:
    found = idle_authorities([one], {GRA})
    assert found.keys() == ({one.name} if why else set())
    assert why in found.get(one.name, "")
