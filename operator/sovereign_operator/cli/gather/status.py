"""Reads what ``status`` counts: namespaces that hold or try a policy, their pods, SovereignWorkloads, and statuses."""

import asyncio
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sovereign_operator.api.v1alpha1.datacentre import DATACENTRE
from sovereign_operator.api.v1alpha1.sovereign_workload import SOVEREIGN_WORKLOAD
from sovereign_operator.api.v1alpha1.sovereignty_policy import SOVEREIGNTY_POLICY
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.status import CountedPod, StatusSeen
from sovereign_operator.cli.answers.status_rows import WorkloadRow
from sovereign_operator.cli.gather.installation import Installation
from sovereign_operator.cli.gather.namespaces import (
    Labels,
    enforced_policies,
    judging_namespaces,
    living_pods,
    namespace_labels,
    tried_policies,
)
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.core import names
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.core.workload.scope import Mode, judges_of_pod
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import OURS
from sovereign_operator.kube.objects.pod import ObservedPod


async def read_status(reader: Reader, estate: Estate, installation: Installation, namespace: str) -> StatusSeen:
    """Read what the caller may read of one namespace, or of all if it is empty. Raises ApiError and CliError."""
    labels, workloads = await asyncio.gather(
        namespace_labels(reader, namespace),
        read_sovereign_workloads(reader, namespace),
    )
    never = installation.system_namespaces
    seen = StatusSeen(
        namespaces=None if labels is None else enforced_policies(labels, never),
        tried=() if labels is None else tried_policies(labels, never),
        pods=None if labels is None else await _pods(reader, labels, never, namespace),
        workloads=workloads,
        recorded={},
        scope=namespace,
    )
    return seen if estate.judged else replace(seen, recorded=await read_recorded(reader))


async def _pods(reader: Reader, labels: Labels, never: Container[str], namespace: str) -> tuple[CountedPod, ...] | None:
    """Return the pods that policies judge: those of namespaces whose labels name one, or whose own label does."""
    pods = await living_pods(reader, judging_namespaces(labels, never), namespace)
    if pods is None:
        return None
    return tuple(counted for pod in pods.values() for counted in _count(pod, labels, never))


def _count(pod: ObservedPod, labels: Labels, never: Container[str]) -> Iterator[CountedPod]:
    """Yield what counts of a pod, for each policy that judges it."""
    verdict = pod.annotations.get(names.audit_annotation("verdict"), "")
    for judge in judges_of_pod(pod.namespace, labels.get(pod.namespace, {}), pod.labels, never):
        yield CountedPod(
            pod.namespace,
            judge.policy,
            pod.pod.node,
            judge.mode,
            unreadable=pod.pod.unreadable,
            recorded=verdict if judge.mode is Mode.ENFORCE else "",
            name=pod.pod.name,
        )


async def read_sovereign_workloads(reader: Reader, namespace: str) -> tuple[WorkloadRow, ...] | None:
    """Return what the operator reports of SovereignWorkloads, by name; None if the caller may not list them."""
    found = await reader.list(OURS[SOVEREIGN_WORKLOAD.plural], _see_workload, namespace)
    return None if found is None else tuple(sorted(found, key=lambda row: (row.namespace, row.name)))


def _see_workload(obj: Json) -> WorkloadRow:
    """Return what the operator reports of a SovereignWorkload."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    ready = condition_of(status, "Ready")
    counts = {word: int(status.get(word, 0)) for word in ("pods", "inside", "outside", "pending")}
    return WorkloadRow(
        namespace=metadata["namespace"],
        name=metadata["name"],
        workload=status.get("workload", ""),
        policy=status.get("policy", ""),
        **counts,
        ready=ready.get("status", "Unknown"),
        reason=ready.get("reason", ""),
        message=ready.get("message", "the operator has not reported it yet"),
    )


async def read_recorded(reader: Reader) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the statuses that the operator wrote, for callers who may not read what they rest on."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for plural in (SOVEREIGNTY_POLICY.plural, DATACENTRE.plural):
        listed = await reader.list(OURS[plural], lambda obj: (obj["metadata"]["name"], obj.get("status") or {}))
        found |= {(plural, name): status for name, status in listed or ()}
    return found
