"""In which form a report is written."""

import pytest

from sovereign_operator.cli.commands.report import form_of
from sovereign_operator.cli.errors import CliError


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
