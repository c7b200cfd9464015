"""When a sidecar asks for its certificate again, and what it reports meanwhile. Pure.

``chance`` is a random number from 0 to 1. It spreads the requests of many sidecars, which would otherwise arrive
together: pods start together, and a signer that returns is asked by all of them.
"""

from typing import Final, NamedTuple, assert_never

from sovereign_operator.sidecar.outcome import Kind, Outcome

SPREAD: Final = 0.1
"""The share of a time by which requests are spread."""
SHORTEST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts that fail. The pause doubles from the one to the other."""
LONGEST_REFRESH: Final = 86400
"""Seconds until a certificate is renewed, at most. None is valid for longer."""
LONGEST_DELAY: Final = 600
"""Seconds that a signer can make a sidecar wait."""
DENIED_PAUSE: Final = 300.0
"""Seconds until a sidecar asks again that was denied the next certificate. It still has one, so it goes on."""


class Progress(NamedTuple):
    """What is known from earlier attempts."""

    certified: bool = False
    """Whether there is a certificate."""
    failures: int = 0
    """How many attempts failed in a row."""
    reported: str = ""
    """The last message that was logged."""


class Step(NamedTuple):
    """What follows from an outcome."""

    pause: float
    """Seconds until the next attempt."""
    report: str
    """The message to log; empty if it was the last one, too."""
    gives_up: bool
    """Whether the process ends, because there is no certificate and will be none."""


def next_step(before: Progress, outcome: Outcome, chance: float) -> tuple[Progress, Step]:
    """Decide what follows from the outcome of an attempt."""
    certified, failures = before.certified, 0
    match outcome.kind:
        case Kind.ISSUED:
            certified, pause = True, _sooner(min(outcome.seconds, LONGEST_REFRESH), chance)
        case Kind.UNUSABLE:
            pause = 0.0
        case Kind.DENIED:
            pause = _sooner(DENIED_PAUSE, chance)
        case Kind.DELAYED if outcome.seconds:
            # Not sooner than the signer says.
            pause = min(outcome.seconds, LONGEST_DELAY) * (1 + SPREAD * chance)
        case Kind.DELAYED | Kind.FAILED:
            failures, pause = before.failures + 1, _growing(before.failures, chance)
        case _:
            assert_never(outcome.kind)
    report = "" if outcome.message == before.reported else outcome.message
    gives_up = outcome.kind is Kind.DENIED and not certified
    return Progress(certified, failures, outcome.message), Step(pause, report, gives_up)


def _sooner(seconds: float, chance: float) -> float:
    return seconds * (1 - SPREAD * chance)


def _growing(failures: int, chance: float) -> float:
    # The exponent has a limit: a signer may be gone for months.
    longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(failures, 10))
    return max(SHORTEST_PAUSE, longest * (1 + chance) / 2)
