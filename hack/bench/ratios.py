"""What was measured of several alternatives in the same rounds, and their ratios to the first of them.

Noise hits all that is measured in one round alike, so ratios are made round by round. An interval says how much their
median depends on which rounds there were: 90 % of the medians of as many rounds, drawn with replacement, are in it.
"""

import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

DRAWS: Final = 2000
SEED: Final = 1
"""The same values give the same interval."""

Rounds = Sequence[Mapping[str, float]]
"""The value of each measure, for each round."""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of the bootstrap 90 % interval of the median."""
    drawing = random.Random(SEED)  # noqa: S311 - nothing is secret
    medians = [statistics.median(drawing.choices(values, k=len(values))) for _ in range(DRAWS)]
    cuts = statistics.quantiles(medians, n=20, method="inclusive")
    return cuts[0], cuts[-1]


def absolute(rounds: Rounds) -> str:
    """Return the medians of all measures, as cells of a table."""
    medians = (statistics.median(each[measure] for each in rounds) for measure in rounds[0])
    return "".join(f"{median:14.2f}" for median in medians)


def relative(rounds: Rounds, base: Rounds) -> str:
    """Return the medians of the ratios of all measures to those of ``base``, with intervals, as cells of a table."""
    cells = []
    for measure in rounds[0]:
        ratios = [ours[measure] / theirs[measure] for ours, theirs in zip(rounds, base, strict=True)]
        least, most = interval(ratios)
        cells.append(f"{statistics.median(ratios):.2f} [{least:.2f}, {most:.2f}]")
    return "".join(f"{cell:>22}" for cell in cells)


def show(what: str, taken: Mapping[str, Rounds]) -> None:
    """Print a table of the alternatives, in which the first is the base of all ratios."""
    measures = next(iter(taken.values()))[0]
    base, *_ = taken
    heads = "".join(f"{measure:>14}" for measure in measures) + "".join(f"{measure:>22}" for measure in measures)
    print(f"\n{what}\n{'':14}{heads}   (ratios to {base})")
    for name, rounds in taken.items():
        print(f"{name:14}{absolute(rounds)}{'' if name == base else relative(rounds, taken[base])}")
