"""The dashboard as Grafana's JSON (schema version 39, which Grafana 11 writes and later versions migrate).

Fields: https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
"""

import string
from collections.abc import Iterator
from typing import Any, Final

from hack.dashboard.description import Kind, Level, Levels, Panel, Query
from hack.dashboard.panels import PANELS

Json = dict[str, Any]

COLUMNS: Final = 24
RUNBOOK: Final = "RUNBOOK.md"
"""Where links begin; the chart writes the address of the published runbook in its place."""
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
TIME: Final = "Time"


def dashboard() -> Json:
    """Return the whole dashboard."""
    return {
        "uid": "sovereign-operator",
        "title": "Sovereign operator",
        "description": "Where pods in scope run, what this rests on, and whether the operator works.",
        "tags": ["sovereignty"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [{"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"}]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": list(_panels()),
    }


def places() -> Iterator[tuple[Panel, int, int]]:
    """Yield the panels with the column and row of the grid at which each begins."""
    x = y = 0
    for panel in PANELS:
        yield panel, x, y
        x += panel.width
        if x == COLUMNS:
            x, y = 0, y + panel.height


def _panels() -> Iterator[Json]:
    for number, (panel, x, y) in enumerate(places(), start=1):
        yield {
            "id": number,
            "type": panel.kind.value,
            "title": panel.title,
            "description": about(panel),
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
            "links": [_link(section) for section in panel.runbook],
            "targets": [_target(panel, *found) for found in zip(string.ascii_uppercase, panel.queries, strict=False)],
            **_shown(panel),
        }


def _link(section: str) -> Json:
    return {
        "type": "link",
        "title": f"Runbook: {section}",
        "url": f"{RUNBOOK}#{section.lower()}",
        "targetBlank": True,
        "icon": "external link",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
    }


def about(panel: Panel) -> str:
    """Return what the panel shows, and the sections of the runbook that say what to do."""
    return f"{panel.about} {RUNBOOK}: {', '.join(panel.runbook)}." if panel.runbook else panel.about


def _target(panel: Panel, letter: str, query: Query) -> Json:
    over_time = panel.kind is Kind.LINES
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": query.expression,
        "instant": not over_time,
        "range": over_time,
        "format": "table" if panel.kind is Kind.TABLE else "time_series",
        "legendFormat": query.name or "__auto",
    }


def _shown(panel: Panel) -> Json:
    match panel.kind:
        case Kind.NUMBER:
            return _number(panel)
        case Kind.TABLE:
            return _table(panel)
        case Kind.LINES:
            return _lines(panel)


def _number(panel: Panel) -> Json:
    return {
        "fieldConfig": _fields(panel, thresholds=_thresholds(panel.queries[0].levels), color={"mode": "thresholds"}),
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "center",
            "orientation": "auto",
            "textMode": "value",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
        },
    }


def _lines(panel: Panel) -> Json:
    return {
        "fieldConfig": _fields(
            panel,
            color={"mode": "palette-classic"},
            min=0,
            custom={"drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": False},
        ),
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull"]},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
    }


def _table(panel: Panel) -> Json:
    letters = dict(zip(string.ascii_uppercase, panel.queries, strict=False))
    value = "Value" if len(letters) == 1 else "Value #{}"
    titles = dict(panel.labels) | {value.format(letter): query.name for letter, query in letters.items() if query.shown}
    hidden = [TIME, *(value.format(letter) for letter, query in letters.items() if not query.shown)]
    steps: list[Json] = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": dict.fromkeys(hidden, True),
                "indexByName": {name: place for place, name in enumerate(titles)},
                "renameByName": titles,
            },
        },
    ]
    if panel.worst:
        steps.append({"id": "sortBy", "options": {"fields": {}, "sort": [{"field": panel.worst, "desc": True}]}})
    return {
        "fieldConfig": _fields(
            panel,
            overrides=[_column(query) for query in panel.queries if query.levels],
            custom={"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}, "inspect": False},
        ),
        "options": {
            "showHeader": True,
            "cellHeight": "sm",
            "frameIndex": 0,
            "footer": {"show": False, "reducer": ["sum"]},
        },
        "transformations": steps,
    }


def _column(query: Query) -> Json:
    return {
        "matcher": {"id": "byName", "options": query.name},
        "properties": [
            {"id": "thresholds", "value": _thresholds(query.levels)},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ],
    }


def _fields(panel: Panel, *, overrides: list[Json] | None = None, **defaults: Any) -> Json:
    return {
        "defaults": {"unit": "none", "decimals": 0, "noValue": panel.empty} | defaults,
        "overrides": overrides or [],
    }


def _thresholds(levels: Levels) -> Json:
    steps = [{"value": value, "color": level.value} for value, level in levels]
    return {"mode": "absolute", "steps": steps or [{"value": None, "color": Level.GOOD.value}]}
