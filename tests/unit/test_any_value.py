"""Everything that the kinds' schemas accept can be read: the models accept each value that an API server stores."""

from datetime import date, timedelta
from random import Random

import pytest

from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DEROGATION, KINDS
from sovereign_operator.api.v1alpha1.cloud_service import Qualification, QualificationStatus
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.core.identity.trust_window import trust_windows
from sovereign_operator.core.placement.calendar import end_instant, first_instant
from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.next_change import next_change
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.unreadable import Unreadable
from tests.builders import NOW, datacentre, demand, policy, service
from tests.schema import schema_of
from tests.schema_values import some_value

RULES = (
    "validFrom is after validUntil",
    "give one of",
    "ip_network",
    "does not appear to be",
    "has host bits",
    "say which nodes stand here",
)
"""Errors for values that the API server's CEL rules refuse and the models refuse as well."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_a_schema_takes_is_read(kind: Kind) -> None:
    schema, read = schema_of(kind, "spec"), 0
    for number in range(1_000):
        spec = some_value(schema, Random(f"{kind.name}-{number}"))
        seen = see_spec({"metadata": {"name": "any"}, "spec": spec}, kind.spec)
        if isinstance(seen, Unreadable):
            assert any(rule in seen.error for rule in RULES), (number, seen.error)
        else:
            read += 1
    assert read > 20


@pytest.mark.parametrize("day", ["0000-01-01", "0000-02-29", "0000-12-31"])
def test_the_year_zero_is_long_ago(day: str) -> None:
    ended = Qualification.model_validate(
        {"id": "a", "scheme": "SecNumCloud", "status": "Qualified", "validFrom": day, "validUntil": day}
    )
    assert (ended.valid_from, ended.valid_until) == (date.min, date.min)


@pytest.mark.parametrize("until", [date.min, date.min + timedelta(days=1), date.max - timedelta(days=1), date.max])
def test_the_ends_of_the_calendar_can_be_reckoned_with(until: date) -> None:
    assert first_instant(until) <= end_instant(until)
    held = Qualification(
        id="a", scheme="SecNumCloud", status=QualificationStatus.QUALIFIED, valid_from=date.min, valid_until=until
    )
    found = Facts({"s": service(held)}, {"d": datacentre(service="s")}, {"p": policy(demand())}, {}, NOW)
    assert (Pair("p", "d") in trust_windows(found)) is (until > NOW.date())
    next_change(found)


def test_the_kinds_with_days_are_these() -> None:
    kinds = {kind for kind in KINDS if "'format': 'date'" in str(schema_of(kind, "spec"))}
    assert kinds == {CLOUD_SERVICE, DEROGATION}
