"""A report as a page: nothing that others wrote becomes HTML, and the page loads nothing and runs nothing."""

import base64
import dataclasses
import hashlib
import re
from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from enum import Enum
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.answers.report import AuditReport
from sovereign_operator.cli.show.report_csv import UNREAD
from sovereign_operator.cli.show.report_html import as_html
from sovereign_operator.core.admission.guards import GuardFinding
from sovereign_operator.core.report.reasons import line
from tests import builders
from tests.unit.cli.clusters import FACTS, POLICY, blind, estate
from tests.unit.cli.reports import CLAIM, hospital, pod, report

TAGS = frozenset(
    {"html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "h1", "h2", "p", "div"}
    | {
        "dl",
        "dt",
        "dd",
        "ul",
        "li",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "br",
        "span",
        "strong",
        "a",
    }
)
VOID = frozenset({"meta", "br"})
ATTRIBUTES = frozenset(
    {"lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "scope", "colspan", "aria-labelledby"}
)
WORDS = ("enforce", "Approved", "False")
"""Words that have the page say something else."""
ATTACKS = (
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "{{ 7 * 7 }}{% for x in y %}",
    "<!-- -->",
    "&lt;script&gt;",
    "\u202e<b>",
    "<iframe src=https://attacker.example>",
    "]]><meta http-equiv=refresh content=0>",
)


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.styles if self._open[-1:] == ["style"] else self.texts).append(data)

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute."""
        return [value for _, found, value in self.attributes if found == name]


def full() -> AuditReport:
    """Return a report of which each section has rows."""
    one = builders.derogation(policy=POLICY, service="armor-snc")
    facts = replace(FACTS, derogations=builders.granted(one))
    tried = hospital()
    answer = report(
        pod("a"),
        pod("b", "paris-1"),
        pod("c", None, waiting="no room"),
        found=estate(facts),
        sovereign_workloads=(CLAIM,),
        guards=(GuardFinding("K", "n", "is missing", "mend"),),
        unread=[Unread("secrets", "x", "y", "forbidden")],
    )
    return replace(answer, unreadable=("Datacentre odd",), not_covered=tried.not_covered)


def poisoned(value: Any, text: str) -> Any:
    """Return a value of which each text is another one."""
    match value:
        case Enum() | None | bool() | int() | date() | datetime():
            return value
        case str():
            return text
        case tuple():
            return tuple(poisoned(entry, text) for entry in value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {one.name: poisoned(getattr(value, one.name), text) for one in dataclasses.fields(value)}
            return replace(value, **fields)
        case _:
            raise TypeError(type(value).__name__)


@cache
def harmless_page() -> Page:
    """Return a page without any attack."""
    return Page(as_html(poisoned(full(), "x")))


def check(text: str) -> None:
    """Check a page in which all texts are this one."""
    page, harmless = Page(as_html(poisoned(full(), text))), harmless_page()
    if text.strip() and text not in WORDS:
        assert page.tags == harmless.tags
        assert [(tag, name) for tag, name, _ in page.attributes] == [
            (tag, name) for tag, name, _ in harmless.attributes
        ]
    assert page.tags.keys() <= TAGS
    assert {name for _, name, _ in page.attributes} <= ATTRIBUTES
    assert all(href.startswith("#") for href in page.values("href"))
    assert page.styles == harmless.styles
    assert line(text, 32768) in "".join(page.texts)


@pytest.mark.parametrize("text", ATTACKS)
def test_no_attack_becomes_html(text: str) -> None:
    check(text)


@given(st.one_of(st.text(max_size=30), st.text(alphabet="<>&\"'/= {}%scriptonerror", max_size=30)))
def test_no_text_becomes_html(text: str) -> None:
    check(text)


def test_the_page_runs_and_loads_nothing() -> None:
    page = Page(as_html(full()))
    (policy,) = (value for value in page.values("content") if "default-src" in value)
    (style,) = page.styles
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"url\(|@import|expression|https?:", style)
    assert page.tags.keys() <= TAGS
    # It stands before all that others wrote.
    assert as_html(full()).index("Content-Security-Policy") < as_html(full()).index("<title>")


def test_the_page_is_well_formed_for_those_who_hear_it() -> None:
    page = Page(as_html(full()))
    assert ("html", "lang", "en") in page.attributes
    identifiers = page.values("id")
    assert len(identifiers) == len({*identifiers})
    assert {*page.values("aria-labelledby")} | {href[1:] for href in page.values("href")} <= {*identifiers}
    assert page.tags["h1"] == 1
    assert page.tags["th"] == sum(tag == "th" and name == "scope" for tag, name, _ in page.attributes)
    assert page.tags["title"] == page.tags["main"] == 1
    assert page.tags["section"] == page.tags["h2"]


@pytest.mark.parametrize(
    "words",
    [
        "Where sovereign workloads run",
        "c0ffee00-0000-4000-8000-000000000000",
        "2030-06-15T12:00:00Z",
        "auditor, groups system:authenticated",
        "Kubernetes v1.37.2, operator sovereign-operator-0.1.0, this program 0.1.0",
        "SecNumCloud 3.2 (decision EX-101), until 2031-06-15",
        "Globex West Europe has no SecNumCloud qualification",
        "pilot before qualification",
        "Datacentre brest names it with this uid",
        "It does not cover volumes.",
        "get secrets y in namespace x",
        "Datacentre odd is invalid",
        "K n is missing",
    ],
)
def test_the_page_says(words: str) -> None:
    assert words in " ".join("".join(Page(as_html(full())).texts).split())


def test_a_page_of_somebody_who_may_read_little_says_so() -> None:
    answer = report(found=blind(), pods=None, guards=None, unread=[Unread("nodes", "", "", "nodes is forbidden")])
    text = " ".join("".join(Page(as_html(answer)).texts).split())
    assert text.count("This could not be read: see what could not be read.") == 7
    assert "list nodesnodes is forbidden" in text
    assert "not known: they could not be read" in text


def test_a_page_says_what_may_not_be_read_of_a_place() -> None:
    recorded = {"policy": POLICY, "verdict": "accepted: brest", "datacentre": "brest", "service": "armor-snc"}
    text = "".join(Page(as_html(report(pod(recorded=recorded), found=blind()))).texts)
    # Its country, and the laws that reach it.
    assert text.count(UNREAD) == 2


def test_the_colours_of_words_have_enough_contrast() -> None:
    """At least 4.5 to 1 on both backgrounds: WCAG 2.2, success criterion 1.4.3."""
    (style,) = Page(as_html(full())).styles
    colours = dict(re.findall(r"--(\w+): #([0-9a-f]{6});", style)) | {"link": "0a4da3", "white": "ffffff"}
    for name in ("ink", "soft", "good", "bad", "wait", "link"):
        for background in ("white", "fill"):
            assert contrast(colours[name], colours[background]) >= 4.5, (name, background)


def contrast(one: str, other: str) -> float:
    """Source: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Source: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
