"""Each row of the page of others' reports names a test that exists, or links to what to do; no report is left out."""

import ast
import re
from functools import cache

import pytest

from tests.documents import REFERENCE, ROOT

PAGE = REFERENCE / "field-reports.md"
REPORT = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/(?:issues|pull)/\d+")
NAMED = re.compile(r"`(tests/[\w/]+\.py):(\w+)`")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    for line in [line for line in section.splitlines() if line.startswith("|")][2:]
]


@cache
def functions_of(path: str) -> frozenset[str]:
    """Return the names of the functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(("reported", "here", "tried"), ROWS, ids=[row[0][:40] for row in ROWS])
def test_a_row_says_who_reported_it_what_happens_here_and_what_shows_that(reported: str, here: str, tried: str) -> None:
    assert REPORT.search(reported)
    assert here
    named = NAMED.findall(tried)
    assert named or "](" in here, "name a test, or link to what to do"
    assert NAMED.sub("", tried).strip(", ") == ""
    for path, name in named:
        assert name in functions_of(path), path


def test_no_report_stands_on_the_page_twice() -> None:
    urls = REPORT.findall(PAGE.read_text(encoding="utf-8"))
    assert len(urls) == len(set(urls))


def test_each_report_that_the_code_names_stands_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    files = [
        *(ROOT / "operator").rglob("*.py"),
        *(ROOT / "tests/dataplane").glob("*.py"),
        *(ROOT / "tests/unit").rglob("*.py"),
    ]
    named = {url for file in files for url in REPORT.findall(file.read_text(encoding="utf-8"))}
    assert {url for url in named if url not in page} == set()
