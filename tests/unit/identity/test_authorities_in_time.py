"""Properties of plans over time: time passes, claims change, and each plan is carried out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from hypothesis import find, given
from hypothesis import strategies as st

from sovereign_operator.core.identity.authorities import (
    CA_LIFETIME,
    LEAF_LIFETIME,
    MOST,
    PROPAGATION,
    KnownAuthority,
    Plan,
    plan,
)
from sovereign_operator.core.identity.trust_window import TrustWindow
from sovereign_operator.core.placement.facts import Pair
from tests.builders import NOW
from tests.unit.hypothesis_settings import ANY_EXAMPLE
from tests.unit.identity.authorities import A_DAY
from tests.unit.identity.plans import LENGTHS, PAIRS, TrustWindows, applied

GRACE: Final = 7 * A_DAY


@dataclass(frozen=True)
class Claim:
    """What makes a pair accepted: its end, and whether it is suspended."""

    end: datetime | None
    suspended: bool = False

    def window(self, now: datetime) -> TrustWindow | None:
        until = self.end and self.end + GRACE
        if self.suspended or (until and until <= now):
            return None
        return TrustWindow(accepting=self.end is None or now < self.end, until=until)


@dataclass(frozen=True)
class Step:
    """A change of one pair after some time."""

    passes: timedelta
    pair: Pair
    change: str
    length: timedelta
    publish: bool


STEPS: Final = st.lists(
    st.builds(
        Step,
        passes=st.sampled_from(LENGTHS[:-2]),
        pair=st.sampled_from(PAIRS[:2]),
        change=st.sampled_from(("nothing", "nothing", "nothing", "end", "end", "no-end", "suspend", "accept")),
        length=st.sampled_from(LENGTHS),
        publish=st.sampled_from((True, True, True, False)),
    ),
    min_size=1,
    max_size=40,
)


def changed(claim: Claim, step: Step, now: datetime) -> Claim:
    match step.change:
        case "end":
            return replace(claim, end=now + step.length)
        case "no-end":
            return replace(claim, end=None)
        case "suspend":
            return replace(claim, suspended=True)
        case "accept":
            return replace(claim, suspended=False)
    return claim


@dataclass(frozen=True)
class Leaf:
    """A pod's certificate."""

    pair: Pair
    signed_by: str
    until: datetime


@dataclass
class Life:
    """The pairs and their authorities, with their whole history."""

    now: datetime = NOW
    claims: dict[Pair, Claim] = field(default_factory=lambda: dict.fromkeys(PAIRS[:2], Claim(None)))
    authorities: list[KnownAuthority] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    signing: Mapping[Pair, str] = field(default_factory=dict)
    most: int = 0

    def windows(self) -> TrustWindows:
        found = {pair: claim.window(self.now) for pair, claim in self.claims.items()}
        return {pair: window for pair, window in found.items() if window}

    def of(self, pair: Pair) -> list[KnownAuthority]:
        """Return the authorities of a pair, in the order in which they were created."""
        return [entry for entry in self.authorities if entry.pair == pair]

    def take(self, step: Step) -> Plan:
        """Let time pass, change a claim, and carry out the plan."""
        # Some replica keeps signing by the last plan as long as it may.
        self.sign(self.now + min(step.passes, PROPAGATION))
        self.now += step.passes
        self.claims[step.pair] = changed(self.claims[step.pair], step, self.now)
        said = plan(self.windows(), {"demo": ()}, self.authorities, self.now)
        self.check(said)
        self.authorities = applied(said, self.authorities, self.now, publish=step.publish)
        self.gone |= set(said.retire)
        self.most = max(self.most, *(len(self.of(pair)) for pair in self.claims))
        self.signing = said.signing
        self.sign(self.now)
        return said

    def sign(self, now: datetime) -> None:
        """Sign a certificate for a pod of every pair."""
        ends = {entry.id: entry.not_after for entry in self.authorities}
        for pair, signs in self.signing.items():
            self.leaves.append(Leaf(pair, signs, min(now + LEAF_LIFETIME, ends[signs])))

    def check(self, said: Plan) -> None:
        """Check a plan against the history."""
        windows = self.windows()
        bundle = set(said.bundles["demo"])
        # An interruption ends all certificates of the pair; those that are signed after it count again.
        self.leaves = [leaf for leaf in self.leaves if leaf.pair in windows and leaf.until > self.now]
        assert all(leaf.signed_by in bundle for leaf in self.leaves)
        assert not self.gone & {*bundle, *said.signing.values()}
        for pair in self.claims:
            there = self.of(pair)
            trusted = [entry for entry in there if entry.id in bundle]
            assert pair in windows or not trusted
            signs = said.signing.get(pair)
            ready = [entry for entry in trusted if entry.published and entry.published + PROPAGATION <= self.now]
            if signs:
                # The newest authority that all pods have received signs; if there is none, the first one signs, and
                # pods wait for it.
                assert signs == (ready[-1] if ready else trusted[0]).id


@given(STEPS)
def test_whatever_happens_no_certificate_loses_its_authority_and_no_authority_outlives_its_window(
    steps: list[Step],
) -> None:
    life = Life()
    for step in steps:
        life.take(step)
    assert life.most <= MOST


@given(STEPS, st.sampled_from(PAIRS[:2]))
def test_after_a_suspension_there_are_only_new_authorities(steps: list[Step], pair: Pair) -> None:
    life = Life()
    for step in steps:
        life.take(step)
    before = {entry.id for entry in life.of(pair)}
    quiet = Step(timedelta(hours=1), pair, "suspend", timedelta(0), publish=True)
    life.take(quiet)
    assert not life.of(pair)
    for change in ("accept", "no-end", "nothing"):
        said = life.take(replace(quiet, change=change))
        assert not before & {*said.bundles["demo"], *said.signing.values()}
    assert life.of(pair)


@given(STEPS)
def test_when_claims_rest_only_what_fits_remains(steps: list[Step]) -> None:
    """No clean-up is needed. Two authorities may remain, because one may just be due for renewal."""
    life = Life()
    for step in steps:
        life.take(step)
    quiet = Step(timedelta(hours=3), PAIRS[0], "accept", timedelta(0), publish=True)
    for change in ("accept", *["nothing"] * 40):
        life.take(replace(quiet, change=change))
    for pair, claim in life.claims.items():
        window = claim.window(life.now)
        if window is None:
            assert not life.of(pair)
        elif window.accepting:
            assert len(life.of(pair)) in (1, 2)
            assert all(window.until is None or entry.not_after <= window.until for entry in life.of(pair))


@given(st.sampled_from((A_DAY, 5 * A_DAY)), st.none() | st.integers(1, 3 * 365 * 24))
def test_an_accepted_pair_that_nobody_touches_is_always_served(looks: timedelta, hours: int | None) -> None:
    """Over years, whether or not the claim has an end, a trusted authority can sign at any time."""
    life = Life(claims={PAIRS[0]: Claim(None if hours is None else NOW + timedelta(hours=hours))})
    start = Step(timedelta(0), PAIRS[0], "nothing", timedelta(0), publish=True)
    life.take(start)
    life.take(start)
    for _ in range(3 * CA_LIFETIME // looks):
        said = life.take(replace(start, passes=looks))
        window = life.claims[PAIRS[0]].window(life.now)
        assert bool(said.signing) is (window is not None and window.accepting)
        if said.signing:
            (signer,) = (entry for entry in life.authorities if entry.id in said.signing.values())
            assert signer.not_after - life.now >= LEAF_LIFETIME


def test_the_steps_reach_what_the_properties_are_about() -> None:
    def lived(steps: list[Step]) -> tuple[Life, list[Plan]]:
        life = Life()
        return life, [life.take(step) for step in steps]

    def three_at_once(steps: list[Step]) -> bool:
        return lived(steps)[0].most == MOST

    def hands_over(steps: list[Step]) -> bool:
        signers = {plan.signing.get(Pair("demo", "gra-1")) for plan in lived(steps)[1]} - {None}
        return len(signers) > 1

    def on_grace(steps: list[Step]) -> bool:
        return any(plan.bundles["demo"] and not plan.signing for plan in lived(steps)[1])

    for wanted in (three_at_once, hands_over, on_grace):
        assert find(STEPS, wanted, settings=ANY_EXAMPLE, random=Random(1))
