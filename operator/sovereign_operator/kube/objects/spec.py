"""The specs of our own kinds, validated; an invalid object becomes an Unreadable that names its errors.

The API server checks objects when they are written, but not those stored before a CRD changed. Verdicts must take
invalid objects into account too: a Datacentre that cannot be read, for example, still claims its nodes.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec, NodePool
from sovereign_operator.api.v1alpha1.kind import Model
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.placement.derogation import Derogation, Derogations
from sovereign_operator.core.placement.facts import Claims, Facts, Node, Unread
from sovereign_operator.core.report.conditions import examples
from sovereign_operator.core.report.reasons import line
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.unreadable import Unreadable

M = TypeVar("M", bound=Model)
T = TypeVar("T")
LONGEST_EXAMPLE: Final = 500
"""In characters, of the error of one field. The name of a field may be of any length."""
Specs = Mapping[tuple[str, str], T | Unreadable]
"""What was read of the objects of a kind, by namespace and name."""


def see_spec(obj: Json, model: type[M]) -> M | Unreadable | None:
    """Read the spec of an object of our own kinds; None if the object is being deleted."""
    if "deletionTimestamp" in obj["metadata"]:
        return None
    try:
        return model.model_validate(obj["spec"])
    except Exception as error:  # noqa: BLE001 - its readers name it: in the log, in a metric and in its status
        what = f"{model.__name__.removesuffix('Spec')} {obj['metadata']['name']}"
        claims = see_claims(obj.get("spec")) if model is DatacentreSpec else Claims()
        return Unreadable(what, _why(error), claims)


def _why(error: Exception) -> str:
    """Name the fields that cannot be read, and why."""
    if not isinstance(error, ValidationError):
        return line(repr(error))
    return examples(
        line(f"{'.'.join(('spec', *map(str, detail['loc'])))}: {detail['msg']}", LONGEST_EXAMPLE)
        for detail in error.errors(include_url=False, include_input=False, include_context=False)
    )


def see_claims(spec: Any) -> Claims:
    """Read which nodes an invalid Datacentre claims. An entry that cannot be read counts as a claim to any node."""
    if not isinstance(spec, dict):
        return Claims(anything=True)
    nodes, wanted = spec.get("nodes"), spec.get("nodeSelector")
    nodes = [] if nodes is None else nodes
    declared = [entry if isinstance(entry, dict) else {} for entry in nodes] if isinstance(nodes, list) else [{}]
    named = [entry for entry in declared if isinstance(entry.get("name"), str)]
    pools, all_pools = _see_pools(spec.get("nodePools"))
    labels = wanted if isinstance(wanted, dict) else {}
    selector = {key: value for key, value in labels.items() if isinstance(value, str)}
    return Claims(
        frozenset((entry["name"], uid if isinstance(uid := entry.get("uid"), str) else "") for entry in named),
        selector,
        pools,
        anything=len(named) < len(declared) or (wanted is not None and not selector) or not all_pools,
    )


def _see_pools(entries: Any) -> tuple[tuple[NodePool, ...], bool]:
    """Return the pools that can be read, and whether these are all."""
    if entries is None:
        return (), True
    if not isinstance(entries, list):
        return (), False
    pools = []
    for entry in entries:
        with suppress(Exception):
            pools.append(NodePool.model_validate(entry))
    return tuple(pools), len(pools) == len(entries)


def readable(specs: Specs[T]) -> dict[str, T]:
    """Return what could be read, by name."""
    return {name: spec for (_, name), spec in specs.items() if not isinstance(spec, Unreadable)}


def unreadable(specs: Specs[T]) -> dict[str, Unreadable]:
    """Return the objects that cannot be read, by name."""
    return {name: spec for (_, name), spec in specs.items() if isinstance(spec, Unreadable)}


def gather(
    services: Specs[CloudServiceSpec],
    datacentres: Specs[DatacentreSpec],
    policies: Specs[SovereigntyPolicySpec],
    derogations: Specs[Derogation],
    now: datetime,
    *,
    nodes: Mapping[str, Node] | None = None,
    hosts: Mapping[str, frozenset[str]] | None = None,
) -> Facts:
    """Return the facts on which verdicts depend, with a note of the objects that cannot be read."""
    return Facts(
        services=readable(services),
        datacentres=readable(datacentres),
        policies=readable(policies),
        nodes=nodes or {},
        now=now,
        derogations=Derogations(readable(derogations)),
        unread=Unread(
            frozenset(unreadable(services)),
            {name: spec.claims for name, spec in unreadable(datacentres).items()},
            frozenset(unreadable(policies)),
            frozenset(name for name, found in unreadable(derogations).items() if found.approved),
        ),
        hosts=hosts or {},
    )
