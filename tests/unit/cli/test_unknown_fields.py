"""Manifests of our own kinds with fields that the API server would refuse."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from sovereign_operator.api.v1alpha1 import KINDS
from sovereign_operator.cli import __main__ as program
from sovereign_operator.cli.gather.unknown_fields import unknown_fields
from sovereign_operator.core.placement.facts import Facts
from tests.documents import REFERENCE
from tests.strategies import facts
from tests.unit.cli.preview_files import ESTATE, Json, deployment, ours

WORKLOAD = ours(
    "SovereignWorkload",
    "portal",
    policyRef={"name": "secnumcloud"},
    template={"kind": "Deployment", "spec": {"anything": {"at": "all"}}},
)
DATACENTRE = ours("Datacentre", "brest", country="FR", nodeSelector={"any.example/label": "x"})


@pytest.mark.parametrize(
    ("obj", "unknown"),
    [
        (ours("SovereigntyPolicy", "x", country="FR"), ["spec.country"]),
        (ours("SovereigntyPolicy", "x", node_evidence="Declared"), ["spec.node_evidence"]),
        (
            ours("SovereigntyPolicy", "x", qualifications=[{"scheme": "C5", "level": 2}]),
            ["spec.qualifications[0].level"],
        ),
        (ours("SovereigntyPolicy", "x", encryptionInTransit={"mod": "Strict"}), ["spec.encryptionInTransit.mod"]),
        (ours("CloudService", "x") | {"spce": {}, "data": {}}, ["data", "spce"]),
        (
            ours("Datacentre", "x", nodes=[{"name": "a"}, {"name": "b", "id": "c"}], town="Brest"),
            [
                "spec.nodes[1].id",
                "spec.town",
            ],
        ),
        (WORKLOAD, []),
        (DATACENTRE, []),
        (ours("Datacentre", "x", nodes=3, nodeSelector=[]) | {"status": {"newer": 1}}, []),
        (ours("Datacentre", "x") | {"spec": None}, []),
        (deployment("portal", containres=[]), []),
        (ours("Newer", "x", field=1), []),
        (ours("Datacentre", "x", field=1) | {"apiVersion": "other.dev/v1"}, []),
    ],
)
def test_fields_that_no_such_kind_has(obj: Json, unknown: list[str]) -> None:
    assert unknown_fields(obj) == unknown


@given(facts())
def test_every_field_that_a_model_has_is_known(drawn: Facts) -> None:
    kinds: Mapping[str, Mapping[str, Any]] = {
        "CloudService": drawn.services,
        "Datacentre": drawn.datacentres,
        "SovereigntyPolicy": drawn.policies,
    }
    for kind, specs in kinds.items():
        for name, spec in specs.items():
            assert unknown_fields(ours(kind, name, **spec.model_dump(mode="json", by_alias=True))) == []


def test_the_page_that_an_error_names_exists() -> None:
    assert not [kind.name for kind in KINDS if not (REFERENCE / f"{kind.singular}.md").exists()]


@pytest.mark.parametrize("named", ["policy.yaml", "."])
def test_an_unknown_field_is_an_error_that_names_file_object_and_field(
    named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policy.yaml"
    policy = ours("SovereigntyPolicy", "hospital", country="FR")
    path.write_text(yaml.safe_dump_all([*ESTATE, policy]), encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        program.run(["preview", "--offline", "-f", str(tmp_path / named)])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        f"error: unknown field spec.country of SovereigntyPolicy hospital in {path}: correct it; "
        "the fields are in crds/sovereigntypolicy.md\n"
    )
