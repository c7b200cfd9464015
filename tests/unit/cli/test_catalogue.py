"""The client ships the facts of the chart, and names field by field what the cluster's own say otherwise."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import yaml

from hack import catalogue as generator
from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, QualificationStatus
from sovereign_operator.cli.answers.catalogue import Catalogue, compare, list_catalogue
from sovereign_operator.cli.gather.catalogue import read_shipped
from tests import builders
from tests.builders import NOW

SHIPPED = Catalogue(
    date(2030, 6, 1),
    "https://authority.example.org",
    {
        "acme": builders.service(builders.qualification(called="snc"), regions=("a", "b")),
        "bravo": builders.service(technology=None, laws=None),
    },
)
ACME = SHIPPED.services["acme"]


def changed(**fields: Any) -> dict[str, CloudServiceSpec]:
    return {"acme": ACME.model_copy(update=fields)}


def test_the_client_ships_what_the_chart_ships() -> None:
    _, manifests = read_shipped()
    documents = yaml.safe_load_all(generator.CATALOGUE.read_text(encoding="utf-8"))
    assert manifests == {document["metadata"]["name"]: document for document in documents if document}


def test_it_knows_its_date_and_its_authority() -> None:
    shipped, _ = read_shipped()
    data = yaml.safe_load(generator.DATA.read_text(encoding="utf-8"))
    assert (shipped.as_of, shipped.authority) == (data["asOf"], data["authority"])


def test_the_list_says_what_is_in_force_and_what_is_not_known() -> None:
    acme, bravo = list_catalogue(SHIPPED, NOW).services
    assert (acme.qualified, acme.until, acme.technology, acme.foreign_laws) == (
        "SecNumCloud 3.2",
        "2031-06-15",
        "EU",
        "none",
    )
    assert acme.dates == ("SecNumCloud 3.2 (decision 100), from 2029-06-15 until 2031-06-15: in force",)
    assert (bravo.qualified, bravo.technology, bravo.foreign_laws) == ("none", "not known", "not known")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"until": None}, "from 2029-06-15, no end recorded: in force"),
        ({"until": date(2030, 6, 1)}, "from 2029-06-15 until 2030-06-01: ended"),
        ({"since": date(2030, 7, 1)}, "from 2030-07-01 until 2031-06-15: not begun"),
        ({"status": QualificationStatus.IN_PROCESS}, "from 2029-06-15 until 2031-06-15: applied for, not granted"),
    ],
)
def test_the_list_says_why_a_qualification_is_not_in_force(fields: dict[str, Any], said: str) -> None:
    services = {"acme": builders.service(builders.qualification(called="snc", **fields))}
    (acme,) = list_catalogue(replace(SHIPPED, services=services), NOW).services
    assert acme.dates == (f"SecNumCloud 3.2 (decision 100), {said}",)


def test_what_is_the_same_does_not_differ() -> None:
    answer = compare(SHIPPED, {"acme": ACME, "own": ACME})
    assert (answer.differences, answer.same, answer.missing, answer.own) == ((), ("acme",), ("bravo",), ("own",))
    assert answer.exit_code == 0


SUSPENDED = (builders.qualification(called="snc", status=QualificationStatus.SUSPENDED),)
RENEWED = (*ACME.qualifications, builders.qualification(called="renewal", until=None))


@pytest.mark.parametrize(
    ("fields", "differences"),
    [
        ({"qualifications": SUSPENDED}, [("qualifications[snc].status", "Qualified", "Suspended")]),
        ({"notes": "checked by us"}, [("notes", None, "checked by us")]),
        ({"foreign_laws": None}, [("foreignLaws", [], None)]),
        ({"node_form": ACME.node_form.model_copy(update={"regions": ("b", "a")})}, []),
        (
            {"node_form": ACME.node_form.model_copy(update={"regions": ("a",)})},
            [("nodeForm.regions", ["a", "b"], ["a"])],
        ),
        (
            {"qualifications": ()},
            [
                ("qualifications[snc].decision", "100", None),
                ("qualifications[snc].id", "snc", None),
                ("qualifications[snc].scheme", "SecNumCloud", None),
                ("qualifications[snc].status", "Qualified", None),
                ("qualifications[snc].validFrom", "2029-06-15", None),
                ("qualifications[snc].validUntil", "2031-06-15", None),
                ("qualifications[snc].version", "3.2", None),
            ],
        ),
    ],
)
def test_fields_that_differ(fields: dict[str, Any], differences: list[tuple[str, Any, Any]]) -> None:
    answer = compare(SHIPPED, changed(**fields))
    found = [(entry.field, entry.shipped, entry.cluster) for entry in answer.differences]
    assert [entry for entry in found if not entry[0].endswith("qualifications")] == differences
    assert answer.exit_code == bool(differences)


def test_a_renewal_that_people_recorded_is_a_difference() -> None:
    fields = {entry.field for entry in compare(SHIPPED, changed(qualifications=RENEWED)).differences}
    assert "qualifications[renewal].scheme" in fields
    assert not [field for field in fields if "[snc]" in field]


def test_one_that_was_asked_about_and_is_missing_is_a_finding() -> None:
    answer = compare(SHIPPED, {}, asked=("acme",))
    assert (answer.findings, answer.missing) == (("acme is not in the cluster",), ("acme",))


def test_one_that_cannot_be_read_is_not_missing() -> None:
    answer = compare(SHIPPED, {}, unreadable=("acme",))
    assert (answer.unreadable, answer.missing, answer.exit_code) == (("acme",), ("bravo",), 1)


def test_every_shipped_service_can_be_compared_with_itself() -> None:
    shipped, _ = read_shipped()
    answer = compare(shipped, shipped.services)
    assert (answer.differences, answer.missing) == ((), ())
    assert len(list_catalogue(replace(shipped), NOW).services) == len(answer.same)
