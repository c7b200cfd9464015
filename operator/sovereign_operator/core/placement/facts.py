"""The facts that placement is decided from: specs, nodes, and the time. No I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec, NodePool
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.placement.derogation import Derogations


@dataclass(frozen=True)
class Node:
    """The fields of a Node that verdicts depend on."""

    name: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=dict)
    provider_id: str = ""
    applied: frozenset[str] = frozenset()
    """The keys of the labels that the operator applied, from the node's managed fields."""


class Pair(NamedTuple):
    """A policy and a datacentre: each pair is judged, and has certificate authorities of its own."""

    policy: str
    datacentre: str


@dataclass(frozen=True)
class Claims:
    """The nodes that a Datacentre may claim that cannot be read. An entry that cannot be read counts as a claim."""

    nodes: frozenset[tuple[str, str]] = frozenset()
    """Name and uid; an empty uid stands for any."""
    selector: Mapping[str, str] | None = None
    pools: tuple[NodePool, ...] = ()
    anything: bool = False
    """Whether it may claim any other node as well."""


@dataclass(frozen=True)
class Unread:
    """The objects that exist and cannot be read, by name. They are not deleted: nothing follows from their absence."""

    services: frozenset[str] = frozenset()
    datacentres: Mapping[str, Claims] = field(default_factory=dict)
    policies: frozenset[str] = frozenset()
    derogations: frozenset[str] = frozenset()
    """Those that are approved. The others count for nothing, whatever they ask for."""


@dataclass(frozen=True)
class Facts:
    """All that verdicts depend on. Objects are keyed by name; the order never matters."""

    services: Mapping[str, CloudServiceSpec]
    datacentres: Mapping[str, DatacentreSpec]
    policies: Mapping[str, SovereigntyPolicySpec]
    nodes: Mapping[str, Node]
    now: datetime
    """The API server's time, with a time zone."""
    derogations: Derogations = field(default_factory=Derogations)
    unread: Unread = Unread()
    hosts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The nodes that may host each policy's pods so far. It counts only where nothing can be decided now."""


def datacentres_of(service: str, facts: Facts) -> list[str]:
    """Return the names of the datacentres of a service."""
    return [name for name, spec in facts.datacentres.items() if spec.service_ref.name == service]
