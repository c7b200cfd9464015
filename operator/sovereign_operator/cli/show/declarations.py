"""The texts that are manifests: a Datacentre to complete, and an entry of the catalogue."""

import json
import re
from typing import Any, Final

import yaml

from sovereign_operator.cli.answers.catalogue import CatalogueDifferences, CatalogueEntry, CatalogueList
from sovereign_operator.cli.answers.declaration import Declaration, DeclaredRow, PoolSuggestion
from sovereign_operator.cli.show.blocks import Block, Table, lines, safe, table
from sovereign_operator.cli.show.common import unread_lines

FEW: Final = 3
"""Names that a line has room for."""
PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9./-]+")
"""What can stand in YAML without quotes, unless YAML takes it for something else than text."""


def declaration_text(answer: Declaration) -> str:
    """Return a Datacentre that the API server takes once a person has filled in what has no value.

    All that kubelets say is in comments.
    """
    parts = [_comment(f"{left.why}; {left.next}") for left in answer.left_out]
    parts += [_comment(str(line)) for line in unread_lines(answer).lines]
    if not answer.placed:
        parts.append(_comment("You may not read Datacentres: make sure that none claims these nodes already."))
    if answer.nodes:
        parts.append(_manifest(answer))
    return "\n".join(parts) + "\n"


def _manifest(answer: Declaration) -> str:
    services = [
        _comment(f"name: {_scalar(entry.service)}   ({entry.title}: the kubelets say nothing against it)", 4)
        for entry in answer.suggestions
    ]
    countries = sorted({country for entry in answer.suggestions for country in entry.countries})
    mixed = len({(row.region, row.zone) for row in answer.nodes}) > 1
    return "\n".join(
        [
            _comment("Fill in what has no value, after you have checked it with those who run the machines:"),
            _comment("what kubelets report of their nodes proves nothing."),
            *([_comment("Kubelets report different regions or zones: are these nodes at one site?")] if mixed else []),
            "apiVersion: sovereignty.dev/v1alpha1",
            "kind: Datacentre",
            "metadata:",
            "  name:   # of your choice, at most 63 characters, such as the town",
            "spec:",
            "  serviceRef:",
            "    name:   # the CloudService whose site it is",
            *services,
            "  country:   # where the site stands, two capital letters",
            *[_comment(f"country: {_scalar(country)}   (as the CloudService says)", 2) for country in countries],
            "  nodes:",
            *(line for row in answer.nodes for line in _node(row)),
            *(_pool(answer.pool) if answer.pool else ()),
        ]
    )


def _pool(pool: PoolSuggestion) -> list[str]:
    labels = [f"      {_scalar(key)}: {_scalar(value)}" for key, value in pool.node_selector.items()]
    return [
        _comment(text, 2)
        for text in (
            "Or, if these nodes are those of a pool, claim it instead, whatever uids its nodes get. Then all who",
            "may write these labels decide which nodes are here. Policies need nodeEvidence: PoolDeclared for that.",
            "nodePools:",
            "  - name: general",
            "    nodeSelector:",
            *labels,
            f"    providerIDs: {json.dumps(pool.provider_ids)}   # as the kubelets say",
        )
    ]


def _node(row: DeclaredRow) -> list[str]:
    said = [_comment(f"its kubelet says: {row.said}", 6)] if row.said else []
    return [f"    - name: {_scalar(row.name)}", f"      uid: {_scalar(row.uid)}", *said]


def _comment(text: str, indent: int = 0) -> str:
    """Return a comment of one line, whatever others wrote into it."""
    return f"{' ' * indent}# {safe(text)}"


def _scalar(text: str) -> str:
    """Return a text as YAML reads it back."""
    return text if PLAIN.fullmatch(text) and yaml.safe_load(text) == text else json.dumps(text)


def entry_text(answer: CatalogueEntry) -> str:
    """Return the manifest of a CloudService as it is shipped."""
    header = f"# As of {answer.as_of}. Before you rely on it, check it with the authority:\n# {answer.authority}\n"
    return header + yaml.safe_dump(_plain(answer.manifest), sort_keys=False, allow_unicode=True, width=110)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def show_catalogue(answer: CatalogueList, *, wide: bool) -> list[Block]:
    """Return the text of ``catalogue list``."""
    headings = ("NAME", "PROVIDER", "SERVICE", "QUALIFIED", "UNTIL", "TECHNOLOGY", "FOREIGN LAWS", "QUALIFICATIONS")
    rows = [
        (
            *(row.name, row.provider, row.service, row.qualified, row.until),
            *(row.technology, row.foreign_laws, "; ".join(row.dates)),
        )
        for row in answer.services
    ]
    checked = f"As of {answer.as_of}. Before you rely on a row, check it with the authority: {answer.authority}"
    return [table(headings, rows, narrow=5, wide=wide), lines(checked)]


def show_differences(answer: CatalogueDifferences, *, wide: bool) -> list[Block]:
    """Return the text of ``catalogue diff``."""
    rows = tuple(
        (entry.service, entry.field, _value(entry.shipped), _value(entry.cluster)) for entry in answer.differences
    )
    counted = {
        "as shipped": answer.same,
        "not in the cluster": answer.missing,
        "the cluster's own": answer.own,
        "cannot be read": answer.unreadable,
    }
    named = {what: f": {', '.join(found)}" if wide or len(found) <= FEW else "" for what, found in counted.items()}
    summary = [f"{len(found)} {what}{named[what]}" for what, found in counted.items() if found]
    return [
        Table(("SERVICE", "FIELD", "SHIPPED", "CLUSTER"), rows),
        lines(f"Shipped facts as of {answer.as_of}: {'; '.join(summary) or 'nothing to compare'}."),
        unread_lines(answer),
    ]


def _value(value: Any) -> str:
    if value is None:
        return "absent"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
