"""The facts that this version ships about cloud services, and what the cluster's own say otherwise."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.cli.answers.answer import Answer
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.qualification import label, why_not_in_force
from sovereign_operator.core.placement.status import report_service
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.reasons import NodeReason

IDENTITY: Final = {"qualifications": "id"}
"""Lists whose items are told apart by a field."""
STATES: Final = {
    None: "in force",
    NodeReason.QUALIFICATION_IN_PROCESS: "applied for, not granted",
    NodeReason.QUALIFICATION_SUSPENDED: "suspended",
    NodeReason.QUALIFICATION_WITHDRAWN: "withdrawn",
    NodeReason.QUALIFICATION_NOT_YET_VALID: "not begun",
    NodeReason.QUALIFICATION_EXPIRED: "ended",
}
"""What is said of a qualification that is not in force for a reason."""


@dataclass(frozen=True)
class Catalogue:
    """What is shipped, by name."""

    as_of: date
    """When it was put together."""
    authority: str
    """Where the authority publishes what it rests on."""
    services: Mapping[str, CloudServiceSpec]


@dataclass(frozen=True)
class Shipped:
    """One service."""

    name: str
    provider: str
    service: str
    qualified: str
    """The schemes in force today, each with its version."""
    until: str
    """The first last day of these, or words if there is none."""
    technology: str
    foreign_laws: str
    dates: tuple[str, ...]
    """Each qualification with its dates."""


@dataclass(frozen=True, kw_only=True)
class CatalogueList(Answer):
    """The answer to ``catalogue list``."""

    as_of: date
    authority: str
    services: tuple[Shipped, ...]


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry(Answer):
    """The answer to ``catalogue show``."""

    as_of: date
    authority: str
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """One field that differs. A side without the field has None."""

    service: str
    field: str
    shipped: Any
    cluster: Any


@dataclass(frozen=True, kw_only=True)
class CatalogueDifferences(Answer):
    """The answer to ``catalogue diff``."""

    as_of: date
    differences: tuple[Difference, ...]
    same: tuple[str, ...]
    """Services that are in the cluster as they are shipped."""
    missing: tuple[str, ...]
    """Services that are shipped and not in the cluster."""
    own: tuple[str, ...]
    """Services of the cluster that are not shipped."""
    unreadable: tuple[str, ...]
    """Services of the cluster whose spec this version cannot read."""
    asked: tuple[str, ...]
    """The services that were asked about; empty: all."""

    @property
    def findings(self) -> tuple[str, ...]:
        """The fields that differ, and services that were asked about and are missing."""
        found = [f"{entry.service}: {entry.field} differs" for entry in self.differences]
        found += [f"{name} cannot be read" for name in self.unreadable]
        return (*found, *(f"{name} is not in the cluster" for name in self.missing if name in self.asked))


def list_catalogue(catalogue: Catalogue, now: datetime) -> CatalogueList:
    """Return all services that are shipped, and what is in force today."""
    facts = Facts(catalogue.services, {}, {}, {}, now)
    verdicts = Verdicts(facts)
    rows = tuple(_shipped(name, verdicts) for name in sorted(catalogue.services))
    return CatalogueList(as_of=catalogue.as_of, authority=catalogue.authority, services=rows)


def _shipped(name: str, verdicts: Verdicts) -> Shipped:
    facts = verdicts.facts
    spec, status = facts.services[name], report_service(name, facts, verdicts).status
    laws = spec.foreign_laws
    return Shipped(
        name=name,
        provider=spec.provider,
        service=spec.service,
        qualified=status["qualified"],
        until=status["until"],
        technology=spec.technology_origin.value if spec.technology_origin else "not known",
        foreign_laws="not known" if laws is None else ", ".join(laws) or "none",
        dates=tuple(_dates(spec, facts.now)),
    )


def _dates(spec: CloudServiceSpec, now: datetime) -> Iterator[str]:
    for entry in spec.qualifications:
        begins = f"from {entry.valid_from}" if entry.valid_from else ""
        ends = f"until {entry.valid_until}" if entry.valid_until else "no end recorded"
        between = " " if entry.valid_until else ", "
        yield f"{label(entry)}, {between.join(filter(None, (begins, ends)))}: {STATES[why_not_in_force(entry, now)]}"


def compare(
    catalogue: Catalogue,
    cluster: Mapping[str, CloudServiceSpec],
    *,
    unreadable: Iterable[str] = (),
    asked: tuple[str, ...] = (),
) -> CatalogueDifferences:
    """Compare what is shipped with the cluster's own: all services, or those that were asked about."""
    names = sorted(asked or catalogue.services)
    unread = frozenset(unreadable)
    both = [name for name in names if name in cluster and name in catalogue.services]
    differences = {name: tuple(_differences(name, catalogue.services[name], cluster[name])) for name in both}
    return CatalogueDifferences(
        as_of=catalogue.as_of,
        differences=tuple(entry for name in both for entry in differences[name]),
        same=tuple(name for name in both if not differences[name]),
        missing=tuple(name for name in names if name not in cluster and name not in unread),
        own=tuple(sorted(cluster.keys() - catalogue.services.keys())) if not asked else (),
        unreadable=tuple(name for name in names if name in unread),
        asked=asked,
    )


def _differences(name: str, shipped: CloudServiceSpec, cluster: CloudServiceSpec) -> Iterator[Difference]:
    before, after = dict(_fields(_dump(shipped))), dict(_fields(_dump(cluster)))
    for field in sorted(before.keys() | after.keys()):
        if before.get(field) != after.get(field):
            yield Difference(name, field, before.get(field), after.get(field))


def _dump(spec: CloudServiceSpec) -> Any:
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and value of each field. A list of plain values is one, in which the order does not matter."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _fields(entry, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and path in IDENTITY:
        for entry in value:
            yield from _fields(entry, f"{path}[{entry[IDENTITY[path]]}]")
    else:
        yield path, sorted(value) if isinstance(value, list) else value
