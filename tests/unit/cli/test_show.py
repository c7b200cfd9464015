"""Answers are shown as text that harms no terminal, and as JSON and YAML with a version."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.cli.answers.answer import Answer, Unread
from sovereign_operator.cli.answers.catalogue import compare, list_catalogue
from sovereign_operator.cli.answers.check import Check, Item, Result
from sovereign_operator.cli.answers.claim import Claim, Condition
from sovereign_operator.cli.answers.declaration import declare
from sovereign_operator.cli.answers.node import explain_node
from sovereign_operator.cli.answers.nodes import list_nodes
from sovereign_operator.cli.answers.pod import explain_pod
from sovereign_operator.cli.answers.status import StatusSeen, report_status
from sovereign_operator.cli.answers.version import Version
from sovereign_operator.cli.gather.catalogue import read_shipped
from sovereign_operator.cli.show.blocks import Table, lines, render, table
from sovereign_operator.cli.show.common import MOST_ROWS
from sovereign_operator.cli.show.document import as_json, as_yaml, document
from sovereign_operator.cli.show.explanations import show_node, show_pod
from sovereign_operator.cli.show.overviews import show_check, show_nodes, show_status, show_version
from sovereign_operator.core.workload.scope import Judge, Mode
from tests import builders
from tests.builders import NOW
from tests.unit.cli.clusters import POLICY, SCOPE, estate, pod

UNREAD = (Unread("nodes", "", "", "forbidden"), Unread("pods", "hospital", "x", "forbidden"))
SHIPPED, _ = read_shipped()
ANSWERS: tuple[Answer, ...] = (
    explain_pod(pod("paris-1"), SCOPE, estate(), Claim("records", (Condition("Placed", "False", "PodsOutside", "1"),))),
    explain_node("brest-1", "u", estate()),
    list_nodes(estate()),
    declare(["spare-1"], estate()),
    report_status(StatusSeen({}, (), (), {}), estate(), NOW),
    list_catalogue(SHIPPED, NOW),
    compare(SHIPPED, {}),
    Check(items=(Item("guarded", Result.OK, "all"),), unread=UNREAD),
    Version(client="1", server="v1", chart="c", namespace="n", processes=(), crds=()),
)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_json_and_yaml_have_a_version_and_say_the_same(answer: Answer) -> None:
    found = json.loads(as_json(answer))
    assert found == yaml.safe_load(as_yaml(answer)) == document(answer)
    assert (found["apiVersion"], found["kind"]) == ("cli.sovereignty.dev/v1alpha1", type(answer).__name__)
    assert found["findings"] == list(answer.findings)
    assert len(found["unread"]) == len(answer.unread)
    assert not [key for key in keys(found) if "_" in key]


def keys(value: Any) -> list[str]:
    """Return the keys of all objects in a document."""
    if isinstance(value, dict):
        return [*map(str, value), *(key for entry in value.values() for key in keys(entry))]
    return [key for entry in value for key in keys(entry)] if isinstance(value, list) else []


def test_what_may_not_be_read_is_named_in_text_and_json() -> None:
    answer = Check(items=(Item("guarded", Result.OK, "all"),), unread=UNREAD)
    assert "You may not read: nodes, pods x in namespace hospital." in render(show_check(answer, wide=False))
    assert document(answer)["unread"][0] == {"resource": "nodes", "namespace": "", "name": "", "why": "forbidden"}


def test_a_pod_is_shown_with_policy_reason_nodes_and_what_to_do() -> None:
    text = render(show_pod(explain_pod(pod("paris-1"), SCOPE, estate(), None), wide=False))
    assert text.startswith("Pod hospital/records-1: outside\nPolicy: secnumcloud: namespace hospital enforces it")
    assert "\nWhy: it runs on paris-1, which policy secnumcloud does not accept" in text
    assert "\nNODE      POLICY     DATACENTRE   WHY\nbrest-1   accepted   brest        SecNumCloud 3.2" in text
    assert text.endswith("What to do: to move its pods: kubectl -n hospital rollout restart deployment/records\n")


def test_a_sovereign_workload_is_shown_with_what_is_wrong() -> None:
    text = render(show_pod(explain_pod(pod(), SCOPE, estate(), Claim("records")), wide=False))
    assert "SovereignWorkload records: all that the operator reports of it is as it should be" in text
    claim = Claim("records", (Condition("Placed", "False", "PodsOutside", "why"), Condition("Ready", "True", "x", "y")))
    text = render(show_pod(explain_pod(pod(), SCOPE, estate(), claim), wide=False))
    assert "  Placed False, PodsOutside: why\n" in text
    assert "Ready True" not in text


def test_a_large_cluster_is_shown_in_part_unless_it_is_wide() -> None:
    many = builders.facts(
        *(builders.node(f"n{number:03}") for number in range(100)), policies={POLICY: builders.policy()}
    )
    answer = explain_pod(pod(), SCOPE, estate(many), None)
    short, wide = (render(show_pod(answer, wide=wide)) for wide in (False, True))
    assert short.count("\nn0") == MOST_ROWS
    assert "80 more nodes are left out: -o wide shows all." in short
    assert wide.count("\nn0") == 100


def test_the_other_texts_name_what_matters() -> None:
    assert "Datacentre: brest of service armor-snc, evidence Declared" in render(
        show_node(explain_node("brest-1", "u", estate()), wide=True)
    )
    nodes = render(show_nodes(list_nodes(estate()), wide=False))
    assert "1 of 4 nodes stands in no datacentre. If you know where they stand: kubectl sovereign nodes " in nodes
    assert "PROVIDERID" in render(show_nodes(list_nodes(estate()), wide=True))
    status = render(show_status(report_status(StatusSeen({"a": POLICY}, (), (), {}), estate(), NOW), wide=False))
    assert "2031-06-15 (365 days)" in status
    tried = tuple((name, Judge("nowhere", Mode.AUDIT)) for name in ("a", "b"))
    trial = render(show_status(report_status(StatusSeen({}, (), (), {}, tried=tried), estate(), NOW), wide=False))
    assert "a           nowhere (does not exist)   audit   0" in trial
    assert "Nothing found." in trial
    missing = Version(client="1", server="", chart="", namespace="", processes=(), crds=())
    assert "Chart: not found" in render(show_version(missing, wide=False))
    refused = replace(missing, unread=(Unread("deployments.apps", "sovereign-system", "", "forbidden"), *UNREAD))
    assert "Chart: unknown: you may not read deployments.apps in namespace sovereign-system\n" in render(
        show_version(refused, wide=False)
    )


def test_a_table_is_aligned_has_no_spaces_at_the_end_and_none_without_rows() -> None:
    assert render([Table(("A", "LONG", "C"), (("1", "2", ""),)), lines("", "x")]) == "A   LONG   C\n1   2\n\nx\n"
    assert render([Table(("A",), ()), lines()]) == ""
    assert table(("A", "B"), [("1", "2")], narrow=1, wide=False) == Table(("A",), (("1",),))


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=3))
def test_no_text_of_others_breaks_a_line_or_controls_a_terminal(rows: list[tuple[str, str]]) -> None:
    texts = [first for first, _ in rows if first]
    text = render([Table(("A", "B"), tuple(rows)), lines(*texts)])
    assert all(line.isprintable() for line in text.removesuffix("\n").split("\n"))
    assert text.count("\n") == 1 + len(rows) + (1 + len(texts) if texts else 0)
