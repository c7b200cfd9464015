"""Reads the labels of namespaces, and the pods of those whose labels name a policy."""

import asyncio
from collections.abc import Collection, Container, Mapping

from sovereign_operator.cli.gather.reader import Reader, seen_or_worst
from sovereign_operator.cli.gather.workloads import get_existing
from sovereign_operator.core import names
from sovereign_operator.core.workload.scope import Judge, Mode, enforced_policy, judges_of_pod, judges_pods
from sovereign_operator.kube.client.resource import NAMESPACES, PODS
from sovereign_operator.kube.objects.pod import ObservedPod, see_pod
from sovereign_operator.kube.objects.worst import worst_pod

Labels = Mapping[str, Mapping[str, str]]
"""The labels of each namespace."""


async def namespace_labels(reader: Reader, namespace: str) -> Labels | None:
    """Return the labels of one namespace, or of all if it is empty; None if the caller may not read them.

    Raises CliError if it does not exist.
    """
    if namespace:
        found = await get_existing(reader, NAMESPACES, namespace)
        return None if found is None else {namespace: found["metadata"].get("labels") or {}}
    listed = await reader.list(NAMESPACES, lambda obj: (obj["metadata"]["name"], obj["metadata"].get("labels") or {}))
    return None if listed is None else dict(listed)


def enforced_policies(labels: Labels, never_in_scope: Container[str]) -> dict[str, str]:
    """Return the namespaces in scope, with the policy that each enforces."""
    return {
        name: policy
        for name, found in labels.items()
        if name not in never_in_scope and (policy := enforced_policy(found)) is not None
    }


def tried_policies(labels: Labels, never_in_scope: Container[str]) -> tuple[tuple[str, Judge], ...]:
    """Return the namespaces that only try a policy, each with the policies that it tries."""
    return tuple(
        (name, judge)
        for name, found in labels.items()
        for judge in judges_of_pod(name, found, {}, never_in_scope)
        if judge.mode is not Mode.ENFORCE
    )


def judging_namespaces(labels: Labels, never_in_scope: Container[str]) -> tuple[str, ...]:
    """Return the namespaces that hold their pods to a policy, or try one on them."""
    return tuple(name for name, found in labels.items() if name not in never_in_scope and judges_pods(found))


async def living_pods(
    reader: Reader, namespaces: Collection[str], namespace: str
) -> dict[tuple[str, str], ObservedPod] | None:
    """Return all pods of these namespaces, and of ``namespace``, or of all if it is empty, those with a policy's label.

    Pods that have ended or terminate are left out. None: the caller may not list some of them.
    """
    see = seen_or_worst(see_pod, worst_pod)
    lists = await asyncio.gather(
        reader.list(PODS, see, namespace, label_selector=names.POLICY_LABEL),
        *(reader.list(PODS, see, name) for name in sorted(namespaces)),
    )
    if any(listed is None for listed in lists):
        return None
    living = (pod for listed in lists for pod in listed or () if not pod.ended and not pod.terminating)
    return {(pod.namespace, pod.pod.name): pod for pod in living}
