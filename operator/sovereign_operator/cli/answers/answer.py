"""What all answers have in common. Their fields are the fields of the JSON that ``-o json`` prints."""

from dataclasses import dataclass, field
from typing import Final

API_VERSION: Final = "cli.sovereignty.dev/v1alpha1"
"""The version of the JSON. It changes when a field changes its meaning or goes."""

NOTHING_FOUND: Final = 0
FOUND: Final = 1
NOT_ANSWERED: Final = 2


@dataclass(frozen=True, order=True)
class Unread:
    """Objects that the caller may not read."""

    resource: str
    """Plural and group, as in RBAC: ``nodes``, ``datacentres.sovereignty.dev``."""
    namespace: str
    """Empty: of the cluster, or of all namespaces."""
    name: str
    """Empty: all."""
    why: str
    """The API server's message."""

    def __str__(self) -> str:
        """Name the objects."""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.resource}{' ' if self.name else ''}{self.name}{where}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one command."""

    unread: tuple[Unread, ...] = field(default=())
    """What the answer leaves out, because the caller may not read it."""

    def unread_of(self, *resources: str) -> str:
        """Name the first objects of these resources that the caller may not read; empty if there are none."""
        return next((str(one) for one in self.unread if one.resource in resources), "")

    @property
    def exit_code(self) -> int:
        """As ``kubectl diff``: 0 if nothing is wrong, 1 if something is, more if there is no answer."""
        return FOUND if self.findings else NOTHING_FOUND

    @property
    def findings(self) -> tuple[str, ...]:
        """What is wrong, as sentences."""
        return ()


def plural(count: int, one: str, several: str = "") -> str:
    """Return a number with its noun: ``1 node``, ``3 nodes``."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"
