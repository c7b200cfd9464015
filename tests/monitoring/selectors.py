"""The parts of a PromQL query that name metrics and labels."""

import re
from dataclasses import dataclass

SELECTOR = re.compile(r"\b(?:sovereign_\w+|process_start_time_seconds|ALERTS)\b(?:\{[^}]*\})?")
GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left) \(([^)]*)\)")

MADE = re.compile(r'label_join\(.*?\}, "(\w+)"')
"""Labels that a query itself makes."""


@dataclass(frozen=True)
class Parts:
    """The selectors of a query, without ranges, and the labels by which it groups or joins."""

    selectors: frozenset[str]
    labels: frozenset[str]


def parts_of(expression: str) -> Parts:
    """Return the parts of a query."""
    # Names in a grouping are labels.
    labels = {label.strip() for found in GROUPING.findall(expression) for label in found.split(",")}
    return Parts(
        frozenset(SELECTOR.findall(GROUPING.sub("", expression))), frozenset(labels - {"", *MADE.findall(expression)})
    )
