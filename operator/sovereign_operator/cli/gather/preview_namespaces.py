"""Reads what decides about the sidecars of new pods beside their policy: as the injector, with the caller's rights."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from sovereign_operator.cli.gather.preview_workloads import Subject, template_of
from sovereign_operator.cli.gather.reader import Reader, seen_or_worst, whole
from sovereign_operator.core.encryption.rollout import needs_sidecar
from sovereign_operator.core.kubernetes.limit_range import Demanded, Limit
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.sidecar.namespace_facts import NamespaceFacts
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import LIMIT_RANGES, NAMESPACES, QUOTAS, RUNTIME_CLASSES
from sovereign_operator.kube.objects.sidecar_facts import see_handler, see_limits, see_namespace, see_quota


@dataclass(frozen=True)
class FactsByNamespace:
    """The facts of all namespaces, by name. What the caller may not read is left out."""

    annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    limits: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    demanded: Mapping[str, Demanded] = field(default_factory=dict)
    handlers: Mapping[str, str] = field(default_factory=dict)

    def of(self, namespace: str) -> NamespaceFacts:
        """Return those of one namespace."""
        return NamespaceFacts(
            self.annotations.get(namespace, {}),
            self.limits.get(namespace, ()),
            self.demanded.get(namespace, frozenset()),
            self.handlers,
        )


def any_encrypts(facts: Facts) -> bool:
    """Whether pods of any policy get sidecars."""
    wanted = (spec.encryption_in_transit for spec in facts.policies.values())
    return any(needs_sidecar(each.mode, None) for each in wanted if each)


async def read_namespace_facts(reader: Reader, namespace: str, subjects: Iterable[Subject]) -> FactsByNamespace:
    """Read the facts of a namespace, or of all if it is empty. Raises ApiError."""
    namespaces, limits, quotas, handlers = await asyncio.gather(
        _namespaces(reader, namespace),
        reader.list(LIMIT_RANGES, lambda obj: (_home(obj), seen_or_worst(see_limits, _nothing)(obj)), namespace),
        reader.list(QUOTAS, lambda obj: (_home(obj), seen_or_worst(see_quota, _nothing)(obj)), namespace),
        _handlers(reader, {name for subject in subjects if (name := _runtime_class(subject))}),
    )
    all_limits: defaultdict[str, tuple[Limit, ...]] = defaultdict(tuple)
    for home, found in limits or ():
        all_limits[home] += found or ()
    demanded: defaultdict[str, Demanded] = defaultdict(frozenset)
    for home, wanted in quotas or ():
        demanded[home] |= wanted or frozenset()
    seen = {obj["metadata"]["name"]: see_namespace(obj) for obj in namespaces}
    annotations = {name: each.annotations for name, each in seen.items() if each}
    return FactsByNamespace(annotations, dict(all_limits), dict(demanded), handlers)


async def _namespaces(reader: Reader, namespace: str) -> list[Json]:
    if not namespace:
        return await reader.list(NAMESPACES, whole) or []
    found = await reader.find(NAMESPACES, namespace)
    return [found] if found else []


async def _handlers(reader: Reader, names: Iterable[str]) -> dict[str, str]:
    """Read RuntimeClasses. One that may not be read is judged by its name."""
    found = [await reader.peek(RUNTIME_CLASSES, name) for name in sorted(names)]
    return {obj["metadata"]["name"]: see_handler(obj) for obj in found if obj}


def _runtime_class(subject: Subject) -> str:
    with suppress(AttributeError, TypeError, LookupError):
        if subject.obj is None or subject.kind == "Pod":
            spec = (subject.obj or subject.pods[0].obj)["spec"]
        else:
            spec = template_of(subject.kind, subject.obj)["spec"]
        return str(spec.get("runtimeClassName") or "")
    return ""


def _home(obj: Json) -> str:
    return str(obj["metadata"]["namespace"])


def _nothing(_: Json) -> None:
    """Of an object that cannot be read, nothing is known."""
