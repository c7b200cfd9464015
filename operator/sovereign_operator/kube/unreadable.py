"""Objects that cannot be read: logged, counted in a metric, and treated as the worst case, never as deleted."""

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
    "Objects that this process cannot read, by resource. Until one is corrected, the operator assumes the worst.",
    ["resource"],
)


@dataclass(frozen=True)
class Unreadable:
    """An object of our kinds whose spec this version of the operator cannot read."""

    what: str
    """Kind and name."""
    error: str = field(default="", compare=False)
    claims: Claims = field(default_factory=Claims)
    """The nodes that it still claims, if it is a Datacentre."""
    approved: bool = False
    """Whether somebody approved it, if it is a Derogation."""


class UnreadableObjects:
    """The objects of one collection that cannot be read."""

    def __init__(self, plural: str) -> None:
        self._plural = plural
        self._errors: dict[tuple[str, str], str] = {}

    @property
    def errors(self) -> Mapping[tuple[str, str], str]:
        """Why each object cannot be read, by namespace and name."""
        return self._errors

    def note(self, key: tuple[str, str], error: str) -> None:
        """Record why an object cannot be read; an empty error records that it was read or deleted."""
        if not error:
            if self._errors.pop(key, None):
                self._show(-1)
            return
        # It may quote a field of any length.
        error = line(error, MAX_MESSAGE)
        if key not in self._errors:
            self._show(1)
            name = "/".join(part for part in key if part)
            logger.error(
                "%s %s cannot be read, and is treated as the worst case until it is corrected: %s",
                self._plural,
                name,
                error,
            )
        self._errors[key] = error

    def keep(self, keys: Collection[tuple[str, str]] = ()) -> None:
        """Forget all objects but these: the others were deleted, or the mirror has ended."""
        for key in [key for key in self._errors if key not in keys]:
            self.note(key, "")

    def _show(self, change: int) -> None:
        UNREADABLE.labels(self._plural).inc(change)
