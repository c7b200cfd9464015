"""What the core is told: specs, nodes, and the time. No I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec


@dataclass(frozen=True)
class Node:
    """What matters of a Node."""

    name: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=dict)
    provider_id: str = ""
    applied: frozenset[str] = frozenset()
    """The keys of those labels that we wrote, as the API server remembers it."""


@dataclass(frozen=True)
class Facts:
    """All that verdicts depend on. Objects are keyed by name; the order never matters."""

    services: Mapping[str, CloudServiceSpec]
    datacentres: Mapping[str, DatacentreSpec]
    policies: Mapping[str, SovereigntyPolicySpec]
    nodes: Mapping[str, Node]
    now: datetime
    """The API server's time, with a time zone."""
