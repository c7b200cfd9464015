"""Writes the ClusterRoles that list which nodes may host a policy's pods, and their bindings."""

import logging
import time
from collections.abc import Awaitable, Iterable, Iterator
from typing import Final

from sovereign_operator.controller.keys import ClusterKey
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.identity.grant import listed_namespaces
from sovereign_operator.core.placement.host_roles import host_role_objects
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.mirror import Mirror
from sovereign_operator.kube.objects.host_role import ObservedRole, see_role

logger = logging.getLogger(__name__)

GATHER_SECONDS: Final = 1.0
"""How soon after its last write a role is written to gain nodes: a role with 5,000 names has 225 kB."""


def role_writes(
    state: ControllerState, verdicts: Verdicts, policies: Iterable[str], operator_namespace: str
) -> Iterator[Awaitable[None]]:
    """Yield the writes of the roles and bindings of some policies that differ; delete those of policies that are gone.

    A role that was just written waits before it gains nodes. Whatever else changes does not wait.
    """
    kinds = (
        (resource.CLUSTER_ROLES, state.mirrors.roles),
        (resource.CLUSTER_ROLE_BINDINGS, state.mirrors.role_bindings),
    )
    for policy in policies:
        if policy in verdicts.policies:
            objects = role_and_binding(state, verdicts, policy, operator_namespace)
            for (kind, mirror), wanted in zip(kinds, objects, strict=True):
                yield from _write(state, kind, mirror, wanted, policy)
        else:
            for kind, mirror in kinds:
                there = [(key[1], seen) for key, seen in mirror.items() if seen.policy == policy]
                yield from (_delete(state, kind, role, seen) for role, seen in there)


def role_and_binding(
    state: ControllerState, verdicts: Verdicts, policy: str, operator_namespace: str
) -> tuple[Json, ...]:
    """Return the ClusterRole of a policy and its binding as they should be."""
    spec = verdicts.facts.policies[policy]
    needs_sidecar = state.view.needs_sidecar(policy, spec)
    # No pod may start before it finds whom to trust, and nothing that somebody else has put there.
    identity = state.view.identity if needs_sidecar and state.settings.by_token else None
    ready = identity.ready_namespaces(policy) if identity else None
    return host_role_objects(
        policy,
        verdicts.accepted_nodes(policy),
        operator_namespace,
        needs_sidecar=needs_sidecar,
        namespaces=listed_namespaces(spec, state.published.granted[policy], ready),
        avoids=policy in state.published.retaining(),
        serves_sidecars=spec.encryption_in_transit is not None,
    )


def _write(
    state: ControllerState, kind: resource.Resource, mirror: Mirror[ObservedRole], wanted: Json, policy: str
) -> Iterator[Awaitable[None]]:
    """Yield the write of an object that differs or is missing."""
    seen = mirror.get(("", wanted["metadata"]["name"]))
    if seen is None:
        yield _apply(state, kind, wanted, policy)
        return
    metadata = wanted["metadata"] | {"resourceVersion": seen.version}
    after = see_role(wanted | {"metadata": metadata | {"uid": seen.uid}})
    if after.content == seen.content:
        return
    due = state.published.role_written.get(policy, 0.0) + GATHER_SECONDS - time.monotonic()
    if due > 0 and only_gains_nodes(seen, after):
        state.view.pending.roles.add(policy)
        state.queue.add(ClusterKey(), due)
        return
    logger.info("the nodes that may host policy %s change", policy)
    yield _apply(state, kind, wanted | {"metadata": metadata}, policy)


def only_gains_nodes(before: ObservedRole, after: ObservedRole) -> bool:
    """Whether nothing differs but that more nodes may host the policy's pods.

    ``after`` is as the operator writes roles. A rule that somebody else wrote may allow more than it names.
    """
    former = [
        rule | {"resourceNames": sorted(before.hosts)} if "nodes" in rule["resources"] else rule
        for rule in after.content
    ]
    return bool(before.hosts) and before.hosts < after.hosts and before.content == former


async def _apply(state: ControllerState, kind: resource.Resource, wanted: Json, policy: str) -> None:
    await state.api.apply(kind, wanted)
    state.published.role_written[policy] = time.monotonic()


async def _delete(state: ControllerState, kind: resource.Resource, name: str, seen: ObservedRole) -> None:
    logger.info("policy %s was deleted: no node may host its pods any more", seen.policy)
    state.published.role_written.pop(seen.policy, None)
    await state.api.delete(kind, name, seen.uid)
