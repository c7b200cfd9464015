"""Finds the operator on the cluster: its namespace, its processes, and how it was configured."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.core import names
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import CLUSTER_ROLE_BINDINGS, WORKLOADS
from sovereign_operator.kube.objects.guard import DEPLOYMENT

USUAL_NAMESPACE: Final = "sovereign-system"
"""Where README has people install the chart."""
KEYS_NAMESPACE: Final = "sovereign-keys"
SYSTEM_NAMESPACES_OPTION: Final = "--system-namespaces="
GUARDS_OPTION: Final = "--guards="
ALL_KINDS: Final = (WorkloadKind.DEPLOYMENT, WorkloadKind.DAEMON_SET)
CHART_LABEL: Final = "helm.sh/chart"
VERSION_LABEL: Final = "app.kubernetes.io/version"


@dataclass(frozen=True)
class Installation:
    """The operator as it is installed."""

    namespace: str
    processes: tuple[tuple[WorkloadKind, Json], ...] | None
    """Those of its Deployments and DaemonSets that were asked for, by name; None if the caller may not list them."""

    @property
    def controller(self) -> Json | None:
        """The controller's Deployment; None if it could not be read or does not exist."""
        return next((obj for _, obj in self.processes or () if obj["metadata"]["name"] == DEPLOYMENT), None)

    @property
    def system_namespaces(self) -> frozenset[str]:
        """The namespaces that are never in scope: as the controller is told, else those of the chart's defaults."""
        told = option(self.controller, SYSTEM_NAMESPACES_OPTION)
        listed = frozenset(told.split(",")) if told else names.SYSTEM_NAMESPACES | {KEYS_NAMESPACE}
        return listed | {self.namespace}

    @property
    def guards(self) -> str:
        """The digest of the guards that the chart installed; empty if it could not be read."""
        return option(self.controller, GUARDS_OPTION)


async def find_installation(
    reader: Reader, namespace: str, kinds: Sequence[WorkloadKind] = (WorkloadKind.DEPLOYMENT,)
) -> Installation:
    """Find the operator. ``namespace``: where the caller says that it is; empty: find it. Raises ApiError.

    Of the ``kinds`` of its processes, Deployments alone say how it was configured.
    """
    where = namespace or await _find_namespace(reader) or USUAL_NAMESPACE
    found = await asyncio.gather(*(_labelled(reader, kind, where) for kind in kinds))
    if any(objects is None for objects in found):
        return Installation(where, None)
    listed = [pair for objects in found for pair in objects or ()]
    return Installation(where, tuple(sorted(listed, key=lambda pair: str(pair[1]["metadata"]["name"]))))


async def _find_namespace(reader: Reader) -> str:
    """Return the namespace of the controller's account, by its binding: unlike a Deployment, only admins write that."""
    binding = await reader.peek(CLUSTER_ROLE_BINDINGS, DEPLOYMENT)
    subjects = (binding or {}).get("subjects") or ()
    return next((str(subject.get("namespace", "")) for subject in subjects), "")


async def _labelled(reader: Reader, kind: WorkloadKind, namespace: str) -> Sequence[tuple[WorkloadKind, Json]] | None:
    return await reader.list(WORKLOADS[kind], lambda obj: (kind, obj), namespace, label_selector=names.GUARD_SELECTOR)


def option(deployment: Json | None, prefix: str) -> str:
    """Return the value of an option in the arguments of a Deployment's containers; empty if it is not there."""
    return next((text.removeprefix(prefix) for text in _arguments(deployment) if text.startswith(prefix)), "")


def _arguments(deployment: Json | None) -> Iterator[str]:
    spec = deployment["spec"]["template"]["spec"] if deployment else {"containers": []}
    for container in spec["containers"]:
        yield from map(str, container.get("args") or ())


def label_of(obj: Json, key: str) -> str:
    """Return a label of an object; empty if it has none."""
    return str((obj["metadata"].get("labels") or {}).get(key, ""))
