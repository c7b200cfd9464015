"""Reads what ``report`` is about: the cluster's identity, the caller, pods that policies judge, guards and statuses."""

import asyncio
import json
from collections.abc import Container
from importlib import resources
from typing import Final

from sovereign_operator.cli.answers.report import ReportSeen
from sovereign_operator.cli.answers.report_pods import PodSeen
from sovereign_operator.cli.answers.report_rows import AskedBy
from sovereign_operator.cli.gather.check import read_guards, read_version
from sovereign_operator.cli.gather.installation import Installation
from sovereign_operator.cli.gather.namespaces import (
    Labels,
    enforced_policies,
    judging_namespaces,
    living_pods,
    namespace_labels,
)
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.cli.gather.status import read_recorded, read_sovereign_workloads
from sovereign_operator.core import names
from sovereign_operator.core.workload.scope import enforced_policy, judges_of_pod
from sovereign_operator.kube.client.errors import RefusedError
from sovereign_operator.kube.client.resource import NAMESPACES, SELF_REVIEWS
from sovereign_operator.kube.objects.pod import AUDIT_PREFIX, ObservedPod

IDENTITY: Final = "kube-system"
"""The namespace whose uid stands for a cluster: it is created with the cluster and cannot be deleted."""
LIMITS: Final = "limits.json"
"""Beside the package's modules: what the operator does not do, as text, generated from the reference's page."""


async def read_report(reader: Reader, installation: Installation, namespace: str) -> ReportSeen:
    """Read what the caller may read of one namespace, or of all if it is empty. Raises ApiError and CliError."""
    labels, workloads, identity, asked_by = await asyncio.gather(
        namespace_labels(reader, namespace),
        read_sovereign_workloads(reader, namespace),
        reader.find(NAMESPACES, IDENTITY),
        _who_asks(reader),
    )
    version, guards, recorded = await asyncio.gather(
        read_version(reader, installation, with_crds=False),
        read_guards(reader, installation),
        read_recorded(reader),
    )
    never = installation.system_namespaces
    return ReportSeen(
        scope=namespace,
        at=reader.now(),
        cluster=str(identity["metadata"]["uid"]) if identity else "",
        asked_by=asked_by,
        version=version,
        namespaces=None if labels is None else enforced_policies(labels, never),
        pods=None if labels is None else await _pods(reader, labels, never, namespace),
        sovereign_workloads=workloads,
        guards=guards,
        recorded=recorded,
        not_covered=read_limits(),
    )


async def _who_asks(reader: Reader) -> AskedBy:
    """Return the caller as the API server knows them."""
    try:
        review = await reader.api.create(SELF_REVIEWS, SELF_REVIEWS.header)
    except RefusedError as error:
        reader.note(error, SELF_REVIEWS, "")
        return AskedBy("", ())
    found = review["status"]["userInfo"]
    return AskedBy(str(found.get("username", "")), tuple(sorted(map(str, found.get("groups") or ()))))


async def _pods(
    reader: Reader, labels: Labels, never_in_scope: Container[str], namespace: str
) -> tuple[PodSeen, ...] | None:
    """Return the pods that policies judge: those of namespaces whose labels name one, or whose own label does."""
    pods = await living_pods(reader, judging_namespaces(labels, never_in_scope), namespace)
    if pods is None:
        return None
    seen = (_seen(pods[key], labels, never_in_scope) for key in sorted(pods))
    return tuple(pod for pod in seen if pod.judges)


def _seen(pod: ObservedPod, labels: Labels, never_in_scope: Container[str]) -> PodSeen:
    of_namespace = labels.get(pod.namespace, {})
    return PodSeen(
        namespace=pod.namespace,
        pod=pod.pod,
        owner=pod.owner,
        judges=judges_of_pod(pod.namespace, of_namespace, pod.labels, never_in_scope),
        by_pod_label=enforced_policy(of_namespace) is None,
        placed_for=pod.labels.get(names.PLACED_LABEL),
        static=pod.static,
        transit=pod.transit,
        recorded={key.removeprefix(AUDIT_PREFIX): value for key, value in pod.annotations.items()},
    )


def read_limits() -> tuple[str, ...]:
    """Return what the operator does not do, and who can bypass it, a paragraph each."""
    text = resources.files("sovereign_operator.cli").joinpath(LIMITS).read_text(encoding="utf-8")
    return tuple(json.loads(text))
