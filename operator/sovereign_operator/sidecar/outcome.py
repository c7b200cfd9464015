"""What became of an attempt to get a certificate: the contract between the two processes of a sidecar.

``certificate.py`` prints one outcome on its standard output and ends; ``supervise.py`` reads it. A named tuple, not a
dataclass: the process that stays in memory beside Envoy would pay 1.3 MiB for what dataclasses import.
"""

import json
from enum import StrEnum
from typing import Final, NamedTuple

LONGEST_MESSAGE: Final = 2000
"""Characters of a message. A whole outcome fits into a pipe, so that nobody has to read it while it is written."""


class Kind(StrEnum):
    """The kinds of outcomes."""

    ISSUED = "Issued"
    """The credentials are in their folder."""
    UNUSABLE = "Unusable"
    """The credentials of an earlier start cannot be used."""
    DENIED = "Denied"
    """The signer refuses this pod a certificate, and will refuse it again."""
    DELAYED = "Delayed"
    """The signer cannot answer yet."""
    FAILED = "Failed"
    """There is no usable answer: the signer cannot be reached, or a file or an answer is not as it should be."""


class Outcome(NamedTuple):
    """An outcome. ``message`` is a sentence for the log."""

    kind: Kind
    message: str
    seconds: int = 0
    """For Issued and Delayed: when to ask again. 0 for Issued means at once; for Delayed, the signer names no time."""

    def __str__(self) -> str:
        """As a line of JSON."""
        return json.dumps(self._replace(message=self.message[:LONGEST_MESSAGE])._asdict())

    @classmethod
    def parse(cls, text: str) -> "Outcome":
        """Parse such a line. Raises ValueError if it is malformed."""
        try:
            match json.loads(text):
                case {"kind": str(kind), "message": str(message), "seconds": int(seconds)} if seconds >= 0:
                    return cls(Kind(kind), message, seconds)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
        raise ValueError(f"not an outcome: {text[:LONGEST_MESSAGE]!r}")
