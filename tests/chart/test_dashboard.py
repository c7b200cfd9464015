"""The chart's dashboard conforms to Grafana's schema, and leads to the runbook."""

import json
import re
import subprocess
from typing import Any

import pytest

from hack.cluster import binaries
from hack.dashboard.__main__ import FILE
from hack.dashboard.grafana import COLUMNS, dashboard, places
from hack.dashboard.panels import PANELS
from hack.install import CHART
from tests.chart.rendering import Json, Render, of_kind

ON = ("--set", "dashboard.enabled=true")
WIKI = "https://wiki.hospital.example.org/sovereign/RUNBOOK.md"
LARGEST = 1_048_576
"""Bytes that a ConfigMap may hold."""


def config_map(objects: list[Json]) -> Json:
    found: Json = of_kind(objects, "ConfigMap")["sovereign-operator-dashboard"]
    return found


def rendered(render: Render, *options: str) -> Json:
    found: Json = json.loads(config_map(render(*ON, *options))["data"]["sovereign-operator.json"])
    return found


def complaint(found: Json) -> str:
    """Return what Grafana's schema has against a dashboard; empty if nothing."""
    program = binaries.path("check-dashboard")
    done = subprocess.run([program], input=json.dumps(found), capture_output=True, text=True, check=False)
    return done.stderr


def test_it_is_off_by_default(render: Render) -> None:
    assert "sovereign-operator-dashboard" not in of_kind(render(), "ConfigMap")


def test_the_sidecar_of_grafana_finds_it(render: Render) -> None:
    assert config_map(render(*ON))["metadata"]["labels"]["grafana_dashboard"] == "1"
    options = ("--set", "dashboard.labels.team=platform,dashboard.annotations.grafana_folder=Sovereignty")
    metadata = config_map(render(*ON, *options))["metadata"]
    assert metadata["labels"].items() >= {"grafana_dashboard": "1", "team": "platform"}.items()
    assert metadata["annotations"] == {"grafana_folder": "Sovereignty"}


@pytest.mark.parametrize("options", [(), ("--set", f"alerts.runbookUrl={WIKI}")], ids=["plain", "with links"])
def test_it_conforms_to_the_schema(render: Render, options: tuple[str, ...]) -> None:
    found = rendered(render, *options)
    assert not complaint(found)
    assert len(json.dumps(found)) < LARGEST


def at(found: Any, *path: str | int) -> Any:
    for part in path:
        found = found[part]
    return found


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ((), {"titel": "x"}),
        ((), {"graphTooltip": "x"}),
        (("panels", 0), {"typ": "x"}),
        (("panels", 0, "gridPos"), {"h": -3}),
        (("panels", 0, "options"), {"textMod": "x"}),
        (("panels", 0, "fieldConfig", "defaults"), {"noVal": "x"}),
        (("panels", 0, "targets", 0), {"expression": "x"}),
        (("templating", "list", 0), {"typ": "x"}),
    ],
    ids=str,
)
def test_the_schema_refuses_what_grafana_does_not_know(path: tuple[str | int, ...], change: Json) -> None:
    found = dashboard()
    at(found, *path).update(change)
    assert complaint(found)


def test_the_file_is_what_the_description_says() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == dashboard()


def test_without_a_published_runbook_it_has_no_links(render: Render) -> None:
    assert not [link for panel in rendered(render)["panels"] for link in panel["links"]]


def test_links_and_descriptions_name_sections_of_the_runbook(render: Render) -> None:
    sections = re.findall(r"^## (Sovereign\w+)$", (CHART / "RUNBOOK.md").read_text(encoding="utf-8"), re.MULTILINE)
    found = rendered(render, "--set", f"alerts.runbookUrl={WIKI}")["panels"]
    for panel, shown in zip(PANELS, found, strict=True):
        assert {*panel.runbook} <= {*sections}
        assert [link["url"] for link in shown["links"]] == [f"{WIKI}#{section.lower()}" for section in panel.runbook]
        assert all(section in shown["description"] for section in panel.runbook)
    linked = {section for panel in PANELS for section in panel.runbook}
    # What no panel leads to is about processes and nodes, not about what the screen shows.
    others = {
        "SovereignGuardsDrifted",
        "SovereignProcessOutside",
        "SovereignInjectorAuthorityEnds",
        "SovereignNodeLacks",
    }
    assert {*sections} - linked == others


def test_each_panel_has_a_place_of_its_own_on_one_screen() -> None:
    taken = [
        (column, row)
        for panel, x, y in places()
        for column in range(x, x + panel.width)
        for row in range(y, y + panel.height)
    ]
    assert len(taken) == len({*taken})
    assert max(column for column, _ in taken) == COLUMNS - 1
    # A row has 38 pixels in Grafana, a screen 1080.
    assert max(row for _, row in taken) < 28
    assert len({panel.title for panel in PANELS}) == len(PANELS)
