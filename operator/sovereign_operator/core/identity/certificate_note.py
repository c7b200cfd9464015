"""The line about its certificate that a pod carries: how it is written, and what is read in it."""

from collections.abc import Collection
from typing import Final

AUTHORITY_DIGITS: Final = ", authority sha256 "
"""What comes before the first digits of the authority's fingerprint, at the end of the line."""


def authority_digits(fingerprint: str) -> str:
    """Return the 16 hexadecimal digits that stand for an authority."""
    return fingerprint[:16]


def certificate_line(not_after: str, said: str) -> str:
    """Return what a pod carries of its certificate. The end comes first, so that the last is the greatest."""
    return f"until {not_after}, {said}"


def certificate_end(line: str) -> str:
    """Return until when the certificate is valid that a pod says it has, RFC 3339 in UTC; empty if it says of none."""
    return line.partition(",")[0].removeprefix("until ")


def certificate_authority(line: str) -> str:
    """Return what stands for the authority that signed the certificate that a pod says it has."""
    _, known, digits = line.rpartition(AUTHORITY_DIGITS)
    return digits if known else ""


def is_distrusted(line: str, now: str, trusted: Collection[str]) -> bool:
    """Return whether a certificate is in force, and yet by none of these authorities. ``now``: RFC 3339 in UTC."""
    return certificate_end(line) > now and certificate_authority(line) not in trusted
