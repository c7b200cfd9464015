"""A report as one HTML page: no scripts, nothing from elsewhere, and all that others wrote is escaped."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from sovereign_operator.cli.answers.answer import plural
from sovereign_operator.cli.answers.report import AuditReport, call_of
from sovereign_operator.cli.answers.report_rows import count_places
from sovereign_operator.cli.show.common import or_unknown
from sovereign_operator.cli.show.report_csv import country_of, guards_word, laws_of, laws_words
from sovereign_operator.core.report.conditions import MAX_MESSAGE, timestamp
from sovereign_operator.core.report.reasons import line

TEMPLATE: Final = "report.html.jinja"
STYLE: Final = "report.css"
"""Both are beside this module."""


def as_html(answer: AuditReport) -> str:
    """Return a report as a page."""
    style = _read(STYLE)
    page: str = _template().render(
        report=answer,
        guards=guards_word(answer),
        counts=count_places(answer.workloads or ()),
        calls=[(call_of(one), one.why) for one in answer.unread],
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=_hash(style),
    )
    return page


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"laws": laws_words, "plural": _plural, "time": timestamp}
    environment.filters |= {"country": country_of, "place_laws": laws_of, "known": or_unknown}
    return environment.from_string(_read(TEMPLATE))


def _safe(value: Any) -> Any:
    """Return what a template shows as one line without control characters, which could reorder what people read."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else line(str(value), MAX_MESSAGE)


def _plural(count: int, one: str, several: str = "") -> str:
    return plural(count, one, several)


def _hash(style: str) -> str:
    """Return what allows this style and no other. Source: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


def _read(name: str) -> str:
    return resources.files("sovereign_operator.cli.show").joinpath(name).read_text(encoding="utf-8")
