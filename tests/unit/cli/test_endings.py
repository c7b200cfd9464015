"""What ends soon is a finding that names it, and what goes with it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sovereign_operator.cli.answers.endings import ends
from sovereign_operator.cli.answers.estate import Kept
from sovereign_operator.cli.answers.status import StatusSeen, report_status
from sovereign_operator.cli.show.blocks import render
from sovereign_operator.cli.show.overviews import show_status
from tests import builders
from tests.builders import NOW, TODAY
from tests.unit.cli.clusters import ALL, ARMOR, BREST, FACTS, LYON, POLICY, estate

SEEN = StatusSeen({"hospital": POLICY}, (), (), {})


@pytest.mark.parametrize(("days", "found"), [(31, False), (30, True), (1, True), (0, True)])
def test_an_end_within_thirty_days_is_a_finding(days: int, *, found: bool) -> None:
    ending = ARMOR.model_copy(
        update={"qualifications": (builders.qualification(until=TODAY + timedelta(days=days), called="snc"),)}
    )
    told = estate(replace(FACTS, services={**FACTS.services, "armor-snc": ending}))
    answer = report_status(SEEN, told, NOW)
    (text,) = [text for text in answer.findings if "SecNumCloud" in text and text.startswith("policy")] or [""]
    assert bool(text) is found
    if found:
        assert text.startswith(f"policy {POLICY}: SecNumCloud 3.2 (decision 100) of armor-snc ends on ")
        assert text.endswith(", and with it datacentre brest: record its renewal")
    assert ((answer.policies or ())[0].days) == days
    # What no namespace uses is nobody's concern yet.
    assert not [text for text in report_status(replace(SEEN, namespaces={}), told, NOW).findings if "ends on" in text]


def test_what_several_datacentres_rest_on_is_one_finding_and_what_has_no_node_is_none() -> None:
    soon = TODAY + timedelta(days=19)
    ending = ARMOR.model_copy(
        update={
            "qualifications": (
                builders.qualification(until=soon),
                builders.qualification("HDS", "2", until=soon, decision=None, called="hds"),
            )
        }
    )
    sites = {
        "brest": builders.datacentre(BREST, service="armor-snc"),
        "lyon": builders.datacentre(LYON, service="armor-snc"),
        "empty": builders.datacentre(service="armor-snc"),
    }
    told = replace(
        FACTS,
        services={"armor-snc": ending},
        datacentres=sites,
        policies={POLICY: builders.policy(builders.demand("HDS"))},
    )
    (text,) = [text for text in report_status(SEEN, estate(told), NOW).findings if " ends " in text]
    assert text == (
        f"policy {POLICY}: HDS 2 (hds) of armor-snc ends on {soon} (19 days), and with it datacentres brest, lyon: "
        "record its renewal"
    )


def test_derogations_have_their_end() -> None:
    asked = builders.derogation(policy=POLICY, service=next(iter(FACTS.services)), until=TODAY)
    waiting = replace(asked, name="waits", approval=replace(builders.APPROVED, approved_by=""))
    answer = report_status(SEEN, estate(replace(FACTS, derogations=builders.granted(asked, waiting))), NOW)
    found = [(row.name, row.standing, row.asked_by, row.approved_by, row.days) for row in answer.derogations or ()]
    assert found == [("pilot", "Approved", "ann", "bob", 0), ("waits", "AwaitingApproval", "ann", "", 0)]
    ending = [text for text in answer.findings if text.startswith("derogation")]
    start = f"derogation pilot of policy {POLICY} for armor-snc"
    assert ending == [f"{start} ends on {TODAY} (today): ask for another one if it is still needed"]
    assert f"bob           {TODAY} (today)   pilot before" in render(show_status(answer, wide=False))


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (-2, "ended on 2030-06-13 (2 days ago)"),
        (0, "ends on 2030-06-15 (today)"),
        (1, "ends on 2030-06-16 (1 day)"),
        (9, "ends on 2030-06-24 (9 days)"),
    ],
)
def test_an_end_in_words(days: int, words: str) -> None:
    assert ends(TODAY + timedelta(days=days), days) == words


def test_who_may_not_read_services_is_told_the_day_that_the_operator_wrote() -> None:
    recorded = {("sovereigntypolicies", POLICY): {"nextEnd": str(TODAY + timedelta(days=3))}}
    answer = report_status(replace(SEEN, recorded=recorded), estate(known=ALL - {Kept.SERVICES}), NOW)
    assert f"policy {POLICY}: what it rests on ends on 2030-06-18 (3 days)" in answer.findings
