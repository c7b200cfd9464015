"""Properties of every plan: for any authorities, even combinations that never occur."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.identity.authorities import CA_LIFETIME, PROPAGATION, KnownAuthority, plan
from sovereign_operator.core.identity.trust_window import TrustWindow
from sovereign_operator.core.placement.facts import Pair
from tests.builders import NOW
from tests.unit.identity.plans import LENGTHS, PAIRS, TrustWindows, applied

POLICIES: Final = ("demo", "hds")
A_MOMENT: Final = timedelta(microseconds=1)

AROUND: Final = st.builds(
    lambda length, ahead, delta: NOW + (length if ahead else -length) + delta * A_MOMENT,
    st.sampled_from(LENGTHS),
    st.booleans(),
    st.sampled_from((-1, 0, 1)),
)
AUTHORITIES: Final = st.lists(
    st.builds(
        lambda pair, begins, ends, published, listed: KnownAuthority("", pair, begins, ends, published, listed=listed),
        st.sampled_from((*PAIRS, Pair("gone", "gra-1"))),
        AROUND,
        AROUND,
        AROUND | st.none(),
        st.booleans(),
    ),
    max_size=8,
).map(lambda drawn: [replace(authority, id=f"ca-{number}") for number, authority in enumerate(drawn)])
TENURES: Final = st.dictionaries(st.sampled_from(PAIRS), st.builds(TrustWindow, st.booleans(), AROUND | st.none()))
TRUSTED: Final = st.fixed_dictionaries(
    {policy: st.sampled_from(((), ("demo",), ("hds", "gone"))) for policy in POLICIES}
)
Trusted = Mapping[str, tuple[str, ...]]


@given(TENURES, TRUSTED, AUTHORITIES)
def test_an_authority_is_retired_or_in_its_policys_bundle(
    windows: TrustWindows, trusted: Trusted, authorities: list[KnownAuthority]
) -> None:
    said = plan(windows, trusted, authorities, NOW)
    assert set(said.bundles) == set(POLICIES)
    for authority in authorities:
        window = windows.get(authority.pair)
        trusting = {policy for policy, bundle in said.bundles.items() if authority.id in bundle}
        if authority.id in said.retire:
            assert not trusting
        else:
            also = {policy for policy in POLICIES if authority.pair.policy in trusted[policy]}
            assert trusting == {authority.pair.policy} | also
            assert window
            assert window.until is None or window.until > NOW
            assert authority.not_after > NOW


@given(AUTHORITIES)
def test_the_bundle_settles_while_no_key_may_be_destroyed(authorities: list[KnownAuthority]) -> None:
    """As long as the clock of the signer's node is behind, what the plan retires stays in the store."""
    pair = PAIRS[0]
    line = [replace(entry, pair=pair, not_after=NOW + CA_LIFETIME) for entry in authorities]

    def after_a_plan(line: list[KnownAuthority]) -> list[KnownAuthority]:
        said = plan({pair: TrustWindow(accepting=True, until=None)}, {pair.policy: ()}, line, NOW)
        return [replace(entry, listed=entry.id in said.bundles[pair.policy]) for entry in line]

    settled = after_a_plan(after_a_plan(line))
    assert after_a_plan(settled) == settled


@given(TENURES, TRUSTED, AUTHORITIES)
def test_what_signs_is_of_its_pair_and_trusted_and_the_pair_is_accepted(
    windows: TrustWindows, trusted: Trusted, authorities: list[KnownAuthority]
) -> None:
    said = plan(windows, trusted, authorities, NOW)
    by_id = {authority.id: authority for authority in authorities}
    for pair, signs in said.signing.items():
        assert by_id[signs].pair == pair
        assert signs in said.bundles[pair.policy]
        assert windows[pair].accepting


@given(TENURES, TRUSTED, AUTHORITIES)
def test_what_is_created_fits_its_trust_window_and_makes_up_for_what_is_missing(
    windows: TrustWindows, trusted: Trusted, authorities: list[KnownAuthority]
) -> None:
    said = plan(windows, trusted, authorities, NOW)
    assert len({made.pair for made in said.create}) == len(said.create)
    for made in said.create:
        window = windows[made.pair]
        assert window.accepting
        assert NOW < made.not_after <= NOW + CA_LIFETIME
        assert window.until is None or made.not_after <= window.until
        assert made.not_after.microsecond == 0
    served = {*said.signing, *(made.pair for made in said.create)}
    for pair, window in windows.items():
        if window.accepting and (window.until is None or window.until > NOW + 2 * PROPAGATION + timedelta(hours=1)):
            assert pair in served


@given(TENURES, TRUSTED, AUTHORITIES, st.booleans())
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    windows: TrustWindows, trusted: Trusted, authorities: list[KnownAuthority], publish: bool
) -> None:
    said = plan(windows, trusted, authorities, NOW)
    again = plan(windows, trusted, applied(said, authorities, NOW, publish=publish), NOW)
    assert not again.create
    assert not again.retire
    assert all(set(said.bundles[policy]) <= set(again.bundles[policy]) for policy in POLICIES)


@given(TENURES, TRUSTED, AUTHORITIES, st.randoms(use_true_random=False))
def test_the_order_never_matters(
    windows: TrustWindows, trusted: Trusted, authorities: list[KnownAuthority], order: random.Random
) -> None:
    other = plan(
        {pair: windows[pair] for pair in reversed(list(windows))},
        {policy: trusted[policy][::-1] for policy in reversed(POLICIES)},
        order.sample(authorities, len(authorities)),
        NOW,
    )
    said = plan(windows, trusted, authorities, NOW)
    assert other == said
    assert list(other.bundles) == list(said.bundles)
    assert list(other.signing) == list(said.signing)


@given(TENURES, TRUSTED, AUTHORITIES, st.sampled_from(POLICIES), st.sampled_from((*POLICIES, "gone")))
def test_to_trust_one_more_policy_only_ever_adds_to_the_bundle(
    windows: TrustWindows, trusted: Trusted, authorities: list[KnownAuthority], policy: str, more: str
) -> None:
    said = plan(windows, trusted, authorities, NOW)
    after = plan(windows, {**trusted, policy: (*trusted[policy], more)}, authorities, NOW)
    assert set(said.bundles[policy]) <= set(after.bundles[policy])
    assert replace(after, bundles={**after.bundles, policy: said.bundles[policy]}) == said
