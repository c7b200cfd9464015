"""In which form a report is written, and what its short text says."""

import pytest

from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.commands.report import ReportOutput, form_of
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.show.blocks import render
from sovereign_operator.cli.show.report_text import show_report
from tests.unit.cli.reports import report

NODES = Unread("nodes", "", "", "nodes is forbidden")


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("report.html", "html"),
        ("out/report.csv", "csv"),
        ("a.b.json", "json"),
        ("report.txt", "text"),
        ("html", "text"),
        ("", "text"),
        (".json", "text"),
        ("report.HTML", "html"),
        ("report.htm", "html"),
    ],
)
def test_the_ending_of_a_file_chooses_its_form(path: str, form: str) -> None:
    assert form_of(path) == form


@pytest.mark.parametrize("path", ["report.pdf", "report.xlsx", "report.html.bak"])
def test_an_ending_that_stands_for_no_form_is_an_error(path: str) -> None:
    with pytest.raises(CliError, match="does not say which form the report should have: give it with -o"):
        form_of(path)


@pytest.mark.parametrize(
    ("path", "asked"),
    [("", "csv"), ("report", "html"), ("report.html", "html"), ("report.HTM", "html"), ("report.2030", "json")],
)
def test_the_form_that_is_asked_for_counts(path: str, asked: str) -> None:
    assert form_of(path, ReportOutput(asked)) == asked


@pytest.mark.parametrize(
    ("path", "named", "asked"), [("r.csv", "csv", "html"), ("out/r.htm", "html", "csv"), ("r.txt", "text", "json")]
)
def test_a_name_that_stands_for_another_form_is_an_error(path: str, named: str, asked: str) -> None:
    with pytest.raises(CliError) as error:
        form_of(path, ReportOutput(asked))
    assert str(error.value) == f"the name {path} stands for {named}, and -o asks for {asked}: correct one of them"


@pytest.mark.parametrize(
    ("unread", "what"),
    [
        ((NODES, Unread("pods", "", "", "no"), Unread("pods", "ward", "", "no")), "pods"),
        ((Unread("pods", "ward", "", "no"),), "pods in namespace ward"),
        ((NODES, Unread("namespaces", "", "", "no")), "the labels of namespaces"),
    ],
)
def test_pods_that_may_not_be_read_are_not_none(unread: tuple[Unread, ...], what: str) -> None:
    text = render(show_report(report(pods=None, unread=unread)))
    assert f"Pods held to policies: unknown: you may not read {what}.\n" in text
    assert "Pods held to policies: none.\n" in render(show_report(report()))
