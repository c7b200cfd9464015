"""Reads what ``check`` and ``version`` look at: the operator's own objects, and what the API server serves."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from sovereign_operator.api.v1alpha1 import GROUP, KINDS
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.cli.answers.check import LeaseSeen, OperatorSeen, ProcessSeen
from sovereign_operator.cli.answers.preflight import ClusterSeen
from sovereign_operator.cli.answers.version import CrdVersion, ProcessVersion, Version
from sovereign_operator.cli.gather.estate import read_hosts
from sovereign_operator.cli.gather.installation import CHART_LABEL, VERSION_LABEL, Installation, label_of
from sovereign_operator.cli.gather.reader import Reader, seen_or_worst
from sovereign_operator.core import names
from sovereign_operator.core.admission.guards import Guard, GuardFinding, GuardKey, inspect
from sovereign_operator.core.encryption.node_lacks import NodeLacks
from sovereign_operator.core.report.reasons import MAX_LINE
from sovereign_operator.core.workload.readiness import readiness_of
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.errors import NotFoundError, RefusedError
from sovereign_operator.kube.client.resource import (
    ADMISSION,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    CRDS,
    LEASES,
    NAMESPACES,
    NODES,
    NOT_EVERYWHERE,
    PODS,
    Resource,
)
from sovereign_operator.kube.client.token_keys import read_token_keys
from sovereign_operator.kube.objects.agent_report import see_report
from sovereign_operator.kube.objects.guard import read_versions, see_guard
from sovereign_operator.kube.objects.node import see_node
from sovereign_operator.kube.objects.worst import worst_guard, worst_node

LED: Final = ("sovereign-controller", "sovereign-signer")
"""Processes of which one replica leads, and their Leases."""
SELF_ACCESS: Final = Resource("authorization.k8s.io/v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
CREATED: Final = (
    CRDS,
    ADMISSION["ValidatingAdmissionPolicy"],
    CLUSTER_ROLES,
    NAMESPACES,
)
"""What an installation creates first, and few may create."""


def client_version() -> str:
    """Return the version of this client."""
    try:
        return version("sovereign-operator")
    except PackageNotFoundError:
        return "unknown"


async def read_cluster(reader: Reader) -> ClusterSeen:
    """Read what a cluster serves, and what the caller may do there. Raises ApiError."""
    see = seen_or_worst(see_node, worst_node)
    nodes = await reader.list(NODES, lambda obj: (see(obj), _kernel(obj)))
    return ClusterSeen(
        version=await server_version(reader),
        admission=await _served(reader, "admissionregistration.k8s.io/v1"),
        certificates=await _served(reader, "certificates.k8s.io/v1"),
        kubelets=None if nodes is None else {seen.node.name: seen.kubelet for seen, _ in nodes},
        kernels=None if nodes is None else {seen.node.name: kernel for seen, kernel in nodes},
        token_keys=await _serves_token_keys(reader),
        may={resource.plural: await _may_create(reader, resource) for resource in CREATED},
    )


def _kernel(node: Json) -> str:
    """Return the version of a node's kernel, which the kubelet writes; empty if there is none."""
    info = (node.get("status") or {}).get("nodeInfo") or {}
    return str(info.get("kernelVersion", ""))[:MAX_LINE]


async def server_version(reader: Reader) -> str | None:
    """Return the version of the API server; None if the caller may not ask for it."""
    try:
        return str((await reader.api.request("GET", "/version")).get("gitVersion", ""))
    except RefusedError:
        return None


async def _served(reader: Reader, group_version: str) -> frozenset[str] | None:
    """Return the resources of an API that is served; None if the caller may not ask."""
    try:
        listed = await reader.api.request("GET", f"/apis/{group_version}")
    except NotFoundError:
        return frozenset()
    except RefusedError:
        return None
    return frozenset(str(found["name"]) for found in listed["resources"])


async def _serves_token_keys(reader: Reader) -> bool | None:
    """Return whether the API server serves the keys of tokens; None if the caller may not read them."""
    try:
        await read_token_keys(reader.api)
    except NotFoundError:
        return False
    except RefusedError:
        return None
    return True


async def _may_create(reader: Reader, resource: Resource) -> bool:
    group = resource.api_version.rpartition("/")[0]
    attributes = {"verb": "create", "group": group, "resource": resource.plural}
    review = SELF_ACCESS.header | {"spec": {"resourceAttributes": attributes}}
    return bool((await reader.api.create(SELF_ACCESS, review))["status"]["allowed"])


async def read_crds(reader: Reader) -> tuple[CrdVersion, ...] | None:
    """Return the operator's CRDs; None if the caller may not read them."""
    found = [await _read_crd(reader, f"{kind.plural}.{GROUP}") for kind in KINDS]
    return None if any(crd is None for crd in found) else tuple(crd for crd in found if crd)


async def _read_crd(reader: Reader, name: str) -> CrdVersion | None:
    try:
        obj = await reader.get(CRDS, name)
    except NotFoundError:
        return CrdVersion(name, found=False, served=(), version="")
    if obj is None:
        return None
    served = tuple(entry["name"] for entry in obj["spec"]["versions"] if entry["served"])
    return CrdVersion(name, "deletionTimestamp" not in obj["metadata"], served, label_of(obj, VERSION_LABEL))


async def read_version(reader: Reader, installation: Installation, *, with_crds: bool = True) -> Version:
    """Read all versions, or all but those of CRDs. Raises ApiError."""
    return Version(
        client=client_version(),
        server=await server_version(reader) or "",
        chart=label_of(installation.controller, CHART_LABEL) if installation.controller else "",
        namespace=installation.namespace if installation.controller else "",
        processes=tuple(
            ProcessVersion(obj["metadata"]["name"], image, label_of(obj, VERSION_LABEL))
            for _, obj in installation.processes or ()
            for image in _images(obj)
        ),
        crds=(await read_crds(reader) or ()) if with_crds else (),
    )


def _images(obj: Json) -> Iterable[str]:
    return (str(container["image"]) for container in obj["spec"]["template"]["spec"]["containers"])


async def read_operator(reader: Reader, installation: Installation) -> OperatorSeen:
    """Read what is to be checked of an installation. Raises ApiError."""
    crds, leases, guards, hosts, lacks, places = await asyncio.gather(
        read_crds(reader),
        _leases(reader, installation),
        read_guards(reader, installation),
        read_hosts(reader),
        _lacks(reader, installation.namespace),
        _places(reader, installation.namespace),
    )
    processes = installation.processes
    return OperatorSeen(
        client=client_version(),
        namespace=installation.namespace,
        crds=crds,
        processes=None if processes is None else tuple(_process(kind, obj) for kind, obj in processes),
        leases=leases,
        guards=guards,
        hosts=hosts,
        now=reader.now(),
        lacks=lacks,
        places=places,
    )


def _process(kind: WorkloadKind, obj: Json) -> ProcessSeen:
    spec, status = obj["spec"], obj.get("status") or {}
    if kind is WorkloadKind.DAEMON_SET:
        ready, wanted = status.get("numberReady", 0), status.get("desiredNumberScheduled", 0)
    else:
        ready, wanted = status.get("readyReplicas", 0), spec.get("replicas", 1)
    name = obj["metadata"]["name"]
    return ProcessSeen(name, kind.value, readiness_of(kind, obj), ready, wanted, label_of(obj, VERSION_LABEL))


async def _lacks(reader: Reader, namespace: str) -> dict[str, NodeLacks] | None:
    """Return what nodes lack, by node; None if the caller may not read the reports of agents."""
    see = seen_or_worst(see_report, lambda _: None)
    reports = await reader.list(CONFIG_MAPS, see, namespace, label_selector=names.AGENT_REPORT_LABEL)
    if reports is None:
        return None
    return {report.node: report.lacks for report in reports if report and report.lacks}


async def _places(reader: Reader, namespace: str) -> dict[str, frozenset[str]] | None:
    """Return the nodes that pods of each component run on; None if the caller may not list them."""

    def see(pod: Json) -> tuple[str, str]:
        return label_of(pod, names.COMPONENT_LABEL), str(pod["spec"].get("nodeName", ""))

    found = await reader.list(PODS, see, namespace, label_selector=names.GUARD_SELECTOR)
    if found is None:
        return None
    return {component: frozenset(node for one, node in found if one == component and node) for component, _ in found}


async def _leases(reader: Reader, installation: Installation) -> tuple[LeaseSeen, ...] | None:
    """Return the Leases of the processes that are installed; None if the caller may not read them."""
    installed = {obj["metadata"]["name"] for _, obj in installation.processes or ()}
    found = []
    for name in LED:
        if name not in installed:
            continue
        try:
            lease = await reader.get(LEASES, name, installation.namespace)
        except NotFoundError:
            found.append(LeaseSeen(name, "", None, 0))
            continue
        if lease is None:
            return None
        found.append(_lease(name, lease))
    return tuple(found) if installation.processes is not None else None


def _lease(name: str, obj: Json) -> LeaseSeen:
    spec = obj.get("spec") or {}
    renewed = datetime.fromisoformat(spec["renewTime"]).astimezone(UTC) if spec.get("renewTime") else None
    return LeaseSeen(name, str(spec.get("holderIdentity") or ""), renewed, int(spec.get("leaseDurationSeconds") or 0))


async def read_guards(reader: Reader, installation: Installation) -> tuple[GuardFinding, ...] | None:
    """Compare guards as the controller does; None if the caller may not read them, or the lists of them."""
    if installation.controller is None:
        return None
    try:
        versions = await read_versions(reader.api, installation.namespace, installation.guards, installation.controller)
    except RefusedError as error:
        reader.note(error, CONFIG_MAPS, installation.namespace)
        return None
    live: dict[GuardKey, Guard] = {}
    for kind, resource in ADMISSION.items():
        found = await _guards_of(reader, kind, resource)
        if found is None:
            return None
        live |= found
    return inspect(versions, live)


async def _guards_of(reader: Reader, kind: str, resource: Resource) -> dict[GuardKey, Guard] | None:
    see = seen_or_worst(see_guard, worst_guard)
    try:
        found = await reader.list(
            resource, lambda obj: ((kind, obj["metadata"]["name"]), see(obj)), label_selector=names.GUARD_SELECTOR
        )
    except NotFoundError:
        if kind in NOT_EVERYWHERE:
            return {}
        raise
    return None if found is None else dict(found)
