"""Which authorities a policy's bundle holds: those of its datacentres, and those of the policies that it trusts."""

from datetime import timedelta

from sovereign_operator.core.identity.authorities import Plan, plan
from sovereign_operator.core.placement.facts import Pair
from tests.builders import NOW
from tests.unit.identity.authorities import A_SECOND, OLD, PAIR, accepting, ask, authority, on_grace


def test_a_policy_without_datacentres_has_an_empty_bundle() -> None:
    said = ask(None, trusted={"demo": (), "strict": ("demo",)})
    assert said == Plan((), (), {"demo": (), "strict": ()}, {})


def test_authorities_of_a_policy_that_is_gone_are_retired_and_it_has_no_bundle() -> None:
    said = ask(accepting(), OLD, authority("other", policy="gone"), trusted={"demo": ("gone", "never-was")})
    assert said == Plan((), ("other",), {"demo": ("old",)}, {PAIR: "old"})


def test_a_bundle_holds_every_accepted_datacentre_and_those_of_trusted_policies() -> None:
    pairs = [PAIR, Pair("demo", "rbx-1"), Pair("hds", "gra-1"), Pair("strict", "sbg-1")]
    there = [authority(f"{policy}-{datacentre}", policy=policy, datacentre=datacentre) for policy, datacentre in pairs]
    said = plan(
        {pair: accepting() for pair in pairs},
        {"demo": ("hds", "demo"), "hds": ("strict",), "strict": ()},
        there,
        NOW,
    )
    assert said.bundles == {
        "demo": ("demo-gra-1", "demo-rbx-1", "hds-gra-1"),
        "hds": ("hds-gra-1", "strict-sbg-1"),
        "strict": ("strict-sbg-1",),
    }
    assert said.signing == {pair: f"{pair.policy}-{pair.datacentre}" for pair in pairs}


def test_a_trusted_policys_authority_leaves_with_its_window() -> None:
    theirs = authority("theirs", policy="hds")
    trusted: dict[str, tuple[str, ...]] = {"demo": ("hds",), "hds": ()}
    assert plan({Pair("hds", "gra-1"): on_grace(A_SECOND)}, trusted, [theirs], NOW).bundles["demo"] == ("theirs",)
    assert plan({Pair("hds", "gra-1"): on_grace(timedelta(0))}, trusted, [theirs], NOW).bundles["demo"] == ()
