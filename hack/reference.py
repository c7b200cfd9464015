"""Generate the tables in the documentation: reasons, metrics, and the chart's values. Generate the client's limits.

Their texts are beside the constants of the reasons, in the help texts of metrics, and in the comments of values.yaml;
types of values are in values.schema.json. Markers in a page say where a table goes. The other way round, the page about
limits is where ``kubectl sovereign report`` gets its text from. ``python -m hack.reference`` writes all that;
``--check`` only compares it.
"""

import argparse
import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

import sovereign_operator
from sovereign_operator.core.identity.request_reasons import Delay, Denial
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.derogation_reasons import DerogationReason
from sovereign_operator.core.report.encryption_reasons import EncryptionReason
from sovereign_operator.core.report.guard_reasons import GuardReason
from sovereign_operator.core.report.reason import Reason
from sovereign_operator.core.report.reasons import NodeReason

ROOT: Final = Path(__file__).parents[1]
CHART: Final = ROOT / "charts" / "sovereign-operator"
LIMITS: Final = ROOT / "operator" / "sovereign_operator" / "cli" / "limits.json"
PAGES: Final = (*sorted((ROOT / "crds").glob("*.md")), CHART / "METRICS.md", CHART / "VALUES.md")

REASONS: Final[tuple[type[Reason], ...]] = (
    *(NodeReason, ConditionReason, DerogationReason, GuardReason, EncryptionReason),
    *(Delay, Denial),
)
STATUSES: Final = ("True", "False", "Unknown")

SHARED: Final = frozenset({"aio", "kube", "runtime"})
"""Packages whose metrics every process may export."""

BLOCK: Final = re.compile(r"^<!-- (?P<what>\w+): (?P<of>[^\n]+) -->\n.*?^<!-- end -->$", re.DOTALL | re.MULTILINE)


def reason_rows(of: str) -> Iterator[str]:
    """Yield the lines of a table of reasons; if conditions are named, of their reasons, in the order of the names."""
    table, _, names = of.partition(" ")
    found = [(row, reason) for reasons in REASONS for reason in reasons for row in reason.rows if row.table == table]
    if not found:
        raise ValueError(f"no reason has a row in table {table}: correct the marker")
    if not names:
        yield from ("| Reason | Meaning | What to do |", "|---|---|---|")
        yield from (f"| `{reason}` | {row.meaning} | {row.remedy} |" for row, reason in found)
        return
    places = {f"{name} {status}": f"`{name}` {status}" for name in names.split(", ") for status in STATUSES}
    yield from ("| Condition | Reason | Meaning | What to do |", "|---|---|---|---|")
    for row, reason in sorted(found, key=lambda one: [*places].index(one[0].condition)):
        yield f"| {places[row.condition]} | `{reason}` | {row.meaning} | {row.remedy} |"


def metrics() -> Iterator[tuple[str, Counter | Gauge | Histogram]]:
    """Yield every metric that a module defines, with the package of the module."""
    for module in pkgutil.walk_packages(sovereign_operator.__path__, f"{sovereign_operator.__name__}."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Counter | Gauge | Histogram):
                yield module.name.split(".")[1], value


def metric_rows(of: str) -> Iterator[str]:
    """Yield the lines of a table of metrics: of one package, or ``every process``."""
    packages = SHARED if of == "every process" else {of}
    shown: dict[str, str] = {}
    others = {id(metric) for package, metric in metrics() if package in SHARED} if of not in SHARED else set()
    for package, metric in metrics():
        if package not in packages or (packages is not SHARED and id(metric) in others):
            continue
        (about,) = metric.describe()
        name = f"{about.name}_total" if about.type == "counter" else about.name
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - it has no public name
        shown[name] = f"| `{name}` | {about.type} | {labels} | {about.documentation} |"
    if not shown:
        raise ValueError(f"no metric of {of}: correct the marker")
    yield from ("| Metric | Type | Labels | Meaning |", "|---|---|---|---|")
    yield from shown.values()


PAGE: Final = re.compile(r"\bcrds/[a-z-]+\.md")
"""A page that a comment of values.yaml names, by its path from the repository."""
KEY: Final = re.compile(r"^(?P<indent> *)(?P<key>\w+):(?: (?P<value>.*))?$")


def values() -> Iterator[tuple[str, str, str]]:
    """Yield path, default and comment of each value of the chart; a group has an empty default."""
    path: list[str] = []
    comment: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        if line.strip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
        elif found := KEY.match(line):
            path[len(found["indent"]) // 2 :] = [found["key"]]
            yield ".".join(path), found["value"] or "", " ".join(comment)
            comment = []
        else:
            comment = []


Schema = dict[str, Any]


def schema_of(path: str, schema: Schema) -> Schema:
    """Return the schema of a value. Raises KeyError if the schema of the chart does not describe the path."""
    found = schema
    for key in filter(None, path.split(".")):
        if "properties" not in found:
            return {}
        found = _resolved(found["properties"][key], schema)
    return found


def _resolved(found: Schema, schema: Schema) -> Schema:
    """Return the target of a reference, or the schema itself if it is not a reference."""
    definition: Schema = schema["$defs"][found["$ref"].removeprefix("#/$defs/")] if "$ref" in found else found
    return definition


def type_of(found: Schema, schema: Schema) -> str:
    """Return the type of a value in words, with the values or the range that its schema allows."""
    if "enum" in found:
        return ", ".join(f"`{value or json.dumps(value)}`" for value in found["enum"])
    words = str(found.get("type", "object"))
    if "items" in found:
        words += f" of {type_of(_resolved(found['items'], schema), schema)}s"
    return f"{words}, {found['minimum']} to {found['maximum']}" if "maximum" in found else words


def value_rows(of: str) -> Iterator[str]:
    """Yield the lines of the table of all values below a key, or of the keys without any below them."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    groups = {path.partition(".")[0] for path, _, _ in values() if "." in path}
    yield from ("| Value | Type | Default | Meaning |", "|---|---|---|---|")
    for path, default, comment in values():
        group = path.partition(".")[0]
        if (default or comment) and (group == of or (of == "others" and group not in groups)):
            about = f"{type_of(schema_of(path, schema), schema)} | `{default}`" if default else " |"
            linked = PAGE.sub(r"[\g<0>](../../\g<0>)", comment)
            yield f"| `{path}` | {about} | {linked} |"


TABLES: Final[dict[str, Callable[[str], Iterator[str]]]] = {
    "reasons": reason_rows,
    "metrics": metric_rows,
    "values": value_rows,
}


def render(block: re.Match[str]) -> str:
    """Return a block of a page with its table. Raises an error if the marker is invalid."""
    lines = [line.replace("|  |", "| |") for line in TABLES[block["what"]](block["of"])]
    return "\n".join([f"<!-- {block['what']}: {block['of']} -->", *lines, "<!-- end -->"])


def limits(page: str) -> list[str]:
    """Return the items of the list in a page, each as one line without Markdown."""
    items = re.findall(r"^- (.*\n(?: {2}.*\n)*)", page, re.MULTILINE)
    texts = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", item) for item in items)
    return [" ".join(re.sub(r"\*\*|`", "", text).split()) for text in texts]


def render_limits() -> str:
    """Return the client's file with the limits."""
    return json.dumps(limits((ROOT / "crds" / "limits.md").read_text(encoding="utf-8")), indent=2) + "\n"


def main() -> None:
    """Write or compare all pages."""
    parser = argparse.ArgumentParser(prog="python -m hack.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page would change")
    check = parser.parse_args().check
    changed = []
    for page in (*PAGES, LIMITS):
        text = page.read_text(encoding="utf-8")
        wanted = render_limits() if page == LIMITS else BLOCK.sub(render, text)
        if wanted != text:
            changed.append(page.name)
            if not check:
                page.write_text(wanted, encoding="utf-8")
    if check and changed:
        sys.exit(f"{', '.join(changed)} differ from what they are generated from: run make crds")


if __name__ == "__main__":
    main()
