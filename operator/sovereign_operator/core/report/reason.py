"""Reasons: words that users match on, each with its rows in the reference.

The pages in crds/ are generated from these rows, so a new reason is described where it is defined.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Self


@dataclass(frozen=True)
class Row:
    """One row of a table of the reference."""

    table: str
    condition: str
    """Type and status of the condition, such as ``Ready False``; empty in tables without conditions."""
    meaning: str
    remedy: str = ""
    """What to do about it, in Markdown; empty if nothing."""


class Reason(StrEnum):
    """A word that users match on. A member is defined by the word and its rows."""

    rows: tuple[Row, ...]

    def __new__(cls, word: str, *rows: Row) -> Self:
        """Make a member."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.rows = rows
        return member


def conditions_of(table: str) -> Callable[..., Row]:
    """Return what makes a row of a table with conditions, from condition, meaning and remedy."""
    return partial(Row, table)


def reasons_of(table: str) -> Callable[..., Row]:
    """Return what makes a row of a table without conditions, from meaning and remedy."""
    return partial(Row, table, "")


CLOUD_SERVICE = conditions_of("CloudService")
DATACENTRE = conditions_of("Datacentre")
POLICY = conditions_of("SovereigntyPolicy")
DEROGATION = conditions_of("Derogation")
WORKLOAD = conditions_of("SovereignWorkload")
CERTIFICATES = conditions_of("certificates")
ENCRYPTION = conditions_of("encryption")
NODE = reasons_of("nodes")
REQUEST = reasons_of("requests")
GUARD_EVENT = reasons_of("guards")
