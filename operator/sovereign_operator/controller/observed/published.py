"""The results of the last reconciliation of the cluster, which the other reconcilers use until the next one."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.report import Report
from sovereign_operator.kube.mirror import ObjectKey


class ShownPods(NamedTuple):
    """What the status of an object says of pods."""

    report: Report
    since: datetime
    """When it was last brought up to date, by the API server's clock."""


class Published:
    """What the last reconciliation of the cluster publishes."""

    def __init__(self) -> None:
        self.verdicts: Verdicts | None = None
        """None before the first reconciliation."""
        self.frozen = True
        """Whether nodes and statuses stay as they are: nothing is decided, or CRDs are missing or being deleted."""
        self.compared = datetime.min.replace(tzinfo=UTC)
        """When everything was last compared, by the API server's clock."""
        self.granted: Mapping[str, tuple[str, ...]] = {}
        """The existing namespaces to which each policy gives certificates, by policy."""
        self.retained: dict[str, frozenset[str]] = {}
        """By node, the policies whose label it keeps only for pods that still run there."""
        self.roles_done = asyncio.Event()
        """Set unless roles are being written that follow from ``verdicts``: no other key is begun meanwhile."""
        self.roles_done.set()
        self.role_written: dict[str, float] = {}
        """By policy, when its role was last written, as time.monotonic() has it."""
        self.status_written: dict[tuple[str, ObjectKey], tuple[str, int]] = {}
        """By plural and key, the resourceVersion and generation of an object whose status was just written."""
        self.statuses: set[tuple[str, str]] = set()
        """Plural and name of the cluster-scoped objects whose status may differ."""
        self.not_trusted: dict[str, tuple[str, ...]] = {}
        """By policy, the pods that mount its certificates in a namespace to which it grants none, as its status has."""
        self.outside: dict[tuple[str, str], set[tuple[str, str]]] = {}
        """By namespace and policy, the datacentres and services of which a metric says how many pods run outside."""
        self.pods: dict[tuple[str, str], ShownPods] = {}
        """By plural and name, what the status of an object says of pods."""

    def retaining(self) -> frozenset[str]:
        """Return the policies whose label some refused node keeps."""
        return frozenset[str]().union(*self.retained.values())
