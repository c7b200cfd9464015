"""Objects that cannot be read: they are named, counted, and count at their worst. They are never gone."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Gauge

from sovereign_operator.core.placement.facts import Claims
from sovereign_operator.core.report.conditions import MAX_MESSAGE
from sovereign_operator.core.report.reasons import line

logger = logging.getLogger(__name__)

UNREADABLE: Final = Gauge(
    "sovereign_unreadable_objects",
    "Objects that this process cannot read, by resource. Each counts at its worst until it is corrected.",
    ["resource"],
)


@dataclass(frozen=True)
class Unreadable:
    """An object of our kinds that this version cannot read."""

    what: str
    error: str = field(default="", compare=False)
    claims: Claims = field(default_factory=Claims)
    """The nodes that it claims all the same, if it is a Datacentre."""


class UnreadableObjects:
    """Which objects of a collection cannot be read."""

    def __init__(self, plural: str) -> None:
        self._plural = plural
        self._errors: dict[tuple[str, str], str] = {}

    @property
    def errors(self) -> Mapping[tuple[str, str], str]:
        """Why each of them cannot be read, by namespace and name."""
        return self._errors

    def note(self, key: tuple[str, str], error: str) -> None:
        """Take note of why an object cannot be read, or, without a word, that it was read or is gone."""
        if not error:
            if self._errors.pop(key, None):
                self._show(-1)
            return
        # It may quote what it was about.
        error = line(error, MAX_MESSAGE)
        if key not in self._errors:
            self._show(1)
            name = "/".join(part for part in key if part)
            logger.error(
                "%s %s cannot be read, and counts at its worst until it is corrected: %s", self._plural, name, error
            )
        self._errors[key] = error

    def keep(self, keys: Collection[tuple[str, str]] = ()) -> None:
        """Forget all but these: the others are gone, or nobody looks at the collection any more."""
        for key in [key for key in self._errors if key not in keys]:
            self.note(key, "")

    def _show(self, change: int) -> None:
        UNREADABLE.labels(self._plural).inc(change)
