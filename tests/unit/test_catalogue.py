"""What the chart ships: the catalogue matches its data, and the presets demand what they promise."""

from typing import Any

import pytest
import yaml

from hack import catalogue
from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, QualificationStatus, TechnologyOrigin
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.report.reasons import NodeReason, words
from tests.builders import ask, qualification, service

DATA = yaml.safe_load(catalogue.DATA.read_text(encoding="utf-8"))
ROWS = {row["id"]: row for row in DATA["services"]}
SHIPPED = {
    obj["metadata"]["name"]: obj["spec"]
    for obj in yaml.safe_load_all(catalogue.CATALOGUE.read_text(encoding="utf-8"))
    if obj
}
PRESETS = {
    obj["metadata"]["name"]: SovereigntyPolicySpec.model_validate(obj["spec"])
    for obj in yaml.safe_load_all(catalogue.CATALOGUE.with_name("presets.yaml").read_text(encoding="utf-8"))
    if obj
}

SAME = {
    "provider": "provider",
    "service": "service",
    "types": "service_types",
    "technologyOrigin": "technology_origin",
    "foreignLaw": "foreign_laws",
}
CLAIM = ("scheme", "version", "decision", "validFrom", "validUntil", "activities")


def plain(value: Any) -> Any:
    """Return a value in the form of the data."""
    return list(value) if isinstance(value, tuple) else value


def test_every_row_is_shipped_once() -> None:
    assert SHIPPED.keys() == ROWS.keys()
    assert len(ROWS) == len(DATA["services"])


@pytest.mark.parametrize("name", ROWS)
def test_a_service_says_what_its_row_says(name: str) -> None:
    row, spec = ROWS[name], CloudServiceSpec.model_validate(SHIPPED[name])
    for old, new in SAME.items():
        expected = row.get(old, [] if old == "types" else None)
        assert plain(getattr(spec, new)) == expected, old
    assert spec.countries == (row["country"],)
    assert [source.partition(":")[0] for source in spec.sources] == row["sources"]
    assert spec.legal_entity is None
    form = spec.node_form
    assert [plain(form.regions), plain(form.zones), plain(form.provider_ids)] == [
        row.get("regions", []),
        row.get("zones", []),
        row.get("providerID", []),
    ]
    for word in (*row.get("sites", ()), row.get("note", "")):
        assert word in (spec.notes or "")


@pytest.mark.parametrize("name", ROWS)
def test_qualifications_are_those_of_the_row(name: str) -> None:
    row, spec = ROWS[name], CloudServiceSpec.model_validate(SHIPPED[name])
    claims = [] if row["status"] == "NotQualified" else [row]
    claims += [{"status": "Qualified", **other} for other in row.get("otherSchemes", ())]
    said = [
        {
            "status": entry.status.value,
            "scheme": entry.scheme,
            "version": entry.version,
            "decision": entry.decision,
            "validFrom": entry.valid_from,
            "validUntil": entry.valid_until,
            "activities": plain(entry.activities),
        }
        for entry in spec.qualifications
    ]
    assert said == [{"status": claim["status"]} | {field: claim.get(field) for field in CLAIM} for claim in claims]


def test_a_field_that_the_catalogue_would_lose_is_an_error() -> None:
    row = {**ROWS["bleu"], "moon": "full"}
    with pytest.raises(ValueError, match="bleu: fields that the catalogue would lose: moon"):
        catalogue.service(row, "", DATA["sources"])


SNC = qualification("SecNumCloud", "3.2")
HDS = qualification("HDS", "2", activities=(1, 2, 3, 4, 5, 6))


@pytest.mark.parametrize(
    ("preset", "offered", "refusals"),
    [
        ("secnumcloud", service(SNC), ()),
        ("secnumcloud", service(SNC, technology=TechnologyOrigin.LICENSED_NON_EU), ()),
        ("secnumcloud", service(HDS), (NodeReason.QUALIFICATION_MISSING,)),
        ("secnumcloud", service(qualification("SecNumCloud", "3.1")), (NodeReason.VERSION_TOO_LOW,)),
        ("secnumcloud", service(SNC, laws=("US",)), (NodeReason.FOREIGN_LAW,)),
        ("secnumcloud", service(SNC, laws=None), (NodeReason.FOREIGN_LAW_UNKNOWN,)),
        (
            "secnumcloud",
            service(qualification(status=QualificationStatus.SUSPENDED)),
            (NodeReason.QUALIFICATION_SUSPENDED,),
        ),
        ("hds", service(HDS), ()),
        ("hds", service(SNC), (NodeReason.QUALIFICATION_MISSING,)),
        ("hds", service(HDS, laws=("US",)), (NodeReason.FOREIGN_LAW,)),
        ("sovereign-strict", service(SNC), ()),
        (
            "sovereign-strict",
            service(SNC, technology=TechnologyOrigin.LICENSED_NON_EU),
            (NodeReason.TECHNOLOGY_NOT_ACCEPTED,),
        ),
        ("sovereign-strict", service(SNC, technology=None), (NodeReason.TECHNOLOGY_UNKNOWN,)),
    ],
)
def test_a_preset_demands_what_it_promises(
    preset: str, offered: CloudServiceSpec, refusals: tuple[NodeReason, ...]
) -> None:
    verdict = ask(offered, PRESETS[preset])
    assert words(verdict.findings) == tuple(reason.value for reason in refusals)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_accepts_no_place_outside_france(preset: str) -> None:
    both = service(SNC, HDS, countries=("DE",))
    assert NodeReason.COUNTRY_NOT_ACCEPTED.value in words(ask(both, PRESETS[preset], country="DE").findings)
