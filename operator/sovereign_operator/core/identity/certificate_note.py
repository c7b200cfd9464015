"""The note about a certificate in a pod's annotation: a value with a readable text form that can be parsed."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from sovereign_operator.core.report.conditions import timestamp

_DIGITS: Final = ", authority sha256 "
_NOTE: Final = re.compile(r"until ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)(?:, (.*))?", re.DOTALL)


def authority_digits(fingerprint: str) -> str:
    """Return the 16 hexadecimal digits that identify a CA, from its SHA-256 fingerprint."""
    return fingerprint[:16]


@dataclass(frozen=True, order=True)
class IssuedNote:
    """The signer's note about a certificate, in the message of the request's condition."""

    text: str
    """Serial, policy, datacentre and authority, for people."""
    authority: str = ""
    """The digits of the CA; empty if a former version wrote the message."""

    def __str__(self) -> str:
        """As ``serial 1f, policy hds, datacentre gra, by authority.hds.gra.1, authority sha256 0123456789abcdef``."""
        return f"{self.text}{_DIGITS}{self.authority}" if self.authority else self.text

    @classmethod
    def parse(cls, message: str) -> Self:
        """Read such a message."""
        text, known, digits = message.rpartition(_DIGITS)
        return cls(text, digits) if known else cls(message)


@dataclass(frozen=True, order=True)
class CertificateNote:
    """The note in a pod's annotation. Notes sort by when their certificates end."""

    until: datetime
    issued: IssuedNote

    def __str__(self) -> str:
        """As ``until 2027-01-31T12:00:00Z`` and what the signer says."""
        issued = str(self.issued)
        return f"until {timestamp(self.until)}" + (f", {issued}" if issued else "")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read such a line; None if it is none."""
        found = _NOTE.fullmatch(text)
        if not found:
            return None
        try:
            until = datetime.fromisoformat(found[1]).astimezone(UTC)
        except ValueError:
            return None
        return cls(until, IssuedNote.parse(found[2] or ""))

    def counts(self, now: datetime, trusted: Collection[str]) -> bool:
        """Whether the certificate is in force, by one of these authorities."""
        return self.until > now and self.issued.authority in trusted

    def is_distrusted(self, now: datetime, trusted: Collection[str]) -> bool:
        """Whether the certificate is in force, and yet by none of these authorities."""
        return self.until > now and self.issued.authority not in trusted
