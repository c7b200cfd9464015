"""Reads services, datacentres, policies and nodes."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from sovereign_operator.api.v1alpha1.cloud_service import CLOUD_SERVICE, CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import DATACENTRE, DatacentreSpec
from sovereign_operator.api.v1alpha1.derogation import DEROGATION
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.api.v1alpha1.sovereignty_policy import SOVEREIGNTY_POLICY, SovereigntyPolicySpec
from sovereign_operator.cli.answers.estate import Estate, Kept, NodeSeen
from sovereign_operator.cli.gather.reader import Reader, seen_or_worst
from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.node_fit import NodeTraits
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import CLUSTER_ROLES, NODES, OURS
from sovereign_operator.kube.objects.derogation import see_derogation
from sovereign_operator.kube.objects.host_role import see_role
from sovereign_operator.kube.objects.node import VERDICT_PREFIX, ObservedNode, see_node
from sovereign_operator.kube.objects.spec import M, Specs, T, gather, see_spec, unreadable
from sovereign_operator.kube.objects.worst import worst_node, worst_role
from sovereign_operator.kube.unreadable import Unreadable

CORDONED: Final = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
"""How the scheduler treats a node with ``spec.unschedulable``.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-nodes-by-condition
"""


async def read_estate(reader: Reader) -> Estate:
    """Read what the caller may read of it. Raises ApiError and CliError."""
    services, datacentres, policies, derogations, nodes = await asyncio.gather(
        _specs(reader, CLOUD_SERVICE, CloudServiceSpec),
        _specs(reader, DATACENTRE, DatacentreSpec),
        _specs(reader, SOVEREIGNTY_POLICY, SovereigntyPolicySpec),
        _read(reader, DEROGATION, see_derogation),
        reader.list(NODES, _see_node),
    )
    # Which nodes may host a policy so far counts only while a Datacentre cannot be read.
    hosts = await read_hosts(reader) if unreadable(datacentres or {}) else None
    found = {
        Kept.SERVICES: services,
        Kept.DATACENTRES: datacentres,
        Kept.POLICIES: policies,
        Kept.DEROGATIONS: derogations,
        Kept.NODES: nodes,
    }
    observed = {node.node.name: node for node, _ in nodes or ()}
    facts = gather(
        services or {},
        datacentres or {},
        policies or {},
        derogations or {},
        reader.now(),
        nodes={name: node.node for name, node in observed.items()},
        hosts=hosts or {},
    )
    seen = {node.node.name: NodeSeen(traits, _recorded(node)) for node, traits in nodes or ()}
    return Estate(facts, seen, frozenset(kept for kept, objects in found.items() if objects is not None))


async def read_hosts(reader: Reader) -> dict[str, frozenset[str]] | None:
    """Return by policy the nodes that its host role lists; None if the caller may not list roles."""
    see = seen_or_worst(see_role, worst_role)
    roles = await reader.list(
        CLUSTER_ROLES, lambda obj: (obj["metadata"]["name"], see(obj)), label_selector=names.HOST_ROLE_LABEL
    )
    if roles is None:
        return None
    return {role.policy: role.hosts for name, role in roles if name == names.host_role(role.policy)}


async def _specs(reader: Reader, kind: Kind, model: type[M]) -> Specs[M] | None:
    return await _read(reader, kind, partial(see_spec, model=model))


async def _read(reader: Reader, kind: Kind, see: Callable[[Json], T | Unreadable | None]) -> Specs[T] | None:
    found = await reader.list(OURS[kind.plural], lambda obj: (obj["metadata"]["name"], see(obj)))
    return None if found is None else {("", name): seen for name, seen in found if seen is not None}


def _see_node(obj: Json) -> tuple[ObservedNode, NodeTraits]:
    """Return a node as the operator sees it, and what pods meet there."""
    node = seen_or_worst(see_node, worst_node)(obj)
    taints = list(node.taints)
    # Its controller adds the taint a moment after somebody cordons the node, with the time.
    tainted = any(taint.get("key") == CORDONED["key"] for taint in taints)
    if (obj.get("spec") or {}).get("unschedulable") and not tainted:
        taints.append(CORDONED)
    return node, NodeTraits(node.node.name, node.node.labels, taints)


def _recorded(node: ObservedNode) -> dict[str, str]:
    return {key.removeprefix(VERDICT_PREFIX): value for key, value in node.annotations.items()}
