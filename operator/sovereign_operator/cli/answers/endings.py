"""What ends soon of what policies rest on, and how an end is told."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from sovereign_operator.cli.answers.answer import plural
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.core.placement.qualification import label
from sovereign_operator.core.placement.status import sites_in_use

SOON: Final = 30
"""In how many days an end is a finding, as the first of the chart's alerts has it."""


@dataclass(frozen=True)
class Ending:
    """What a policy rests on and that ends soon."""

    what: str
    until: date
    days: int
    """How many days are left until that day; negative: it has passed."""
    datacentres: tuple[str, ...]
    """Those that the policy no longer accepts then; none if it is not known."""

    @property
    def sentence(self) -> str:
        """Say what ends when, what goes with it, and what to do."""
        names = f"datacentre{'s' if len(self.datacentres) > 1 else ''} {', '.join(self.datacentres)}"
        effect = f", and with it {names}: record its renewal" if self.datacentres else ""
        return f"{self.what} {ends(self.until, self.days)}{effect}"


def is_soon(days: int | None) -> bool:
    """Whether an end is near, or has passed."""
    return days is not None and days <= SOON


def when(day: date | None, days: int | None) -> str:
    """Return a day with how far it is away; empty if there is none."""
    if day is None or days is None:
        return ""
    away = plural(days, "day") if days > 0 else f"{plural(-days, 'day')} ago"
    return f"{day} ({away if days else 'today'})"


def ends(day: date, days: int) -> str:
    """Say when something ends."""
    return f"{'ended' if days < 0 else 'ends'} on {when(day, days)}"


def endings(policy: str, estate: Estate, today: date) -> Iterator[Ending]:
    """Yield the qualifications that a policy rests on and that end soon. Derogations are told of by themselves."""
    found: dict[tuple[date, str], list[str]] = defaultdict(list)
    for site in sites_in_use(policy, estate.verdicts):
        service = estate.facts.datacentres[site.datacentre].service_ref.name
        cited = {entry.id: label(entry) for entry in estate.facts.services[service].qualifications}
        for basis in site.basis:
            if basis.until and basis.entry and is_soon((basis.until - today).days):
                found[basis.until, f"{cited[basis.entry]} of {service}"].append(site.datacentre)
    for (until, what), datacentres in sorted(found.items()):
        yield Ending(what, until, (until - today).days, tuple(datacentres))


def recorded_ending(end: date | None, today: date) -> Iterator[Ending]:
    """Yield what the operator wrote of a policy's next end, for callers who may not read what ends."""
    if end and is_soon((end - today).days):
        yield Ending("what it rests on", end, (end - today).days, ())
