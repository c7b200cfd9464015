"""``explain``: why a pod, a workload or a node is judged as it is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final

import typer

from sovereign_operator.api.v1alpha1.sovereign_workload import SOVEREIGN_WORKLOAD, WorkloadKind
from sovereign_operator.cli.answers.answer import Answer
from sovereign_operator.cli.answers.claim import NOTHING_TO_DO, Claim, ClaimExplanation, NoTarget, explain_claim
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.node import NodeExplanation, explain_node
from sovereign_operator.cli.answers.pod import PodExplanation, explain_pod, obstacles
from sovereign_operator.cli.answers.preview import report_preview
from sovereign_operator.cli.answers.scope import Scope, scope_of
from sovereign_operator.cli.answers.workload import WorkloadExplanation, explain_workload
from sovereign_operator.cli.completing import complete_target
from sovereign_operator.cli.connection import Access
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.gather.estate import read_estate
from sovereign_operator.cli.gather.installation import find_installation
from sovereign_operator.cli.gather.obstacles import read_called, read_closing, read_cut_off, read_refusal, wanted_by
from sovereign_operator.cli.gather.preview import Asked, read_preview
from sovereign_operator.cli.gather.reader import Reader, seen_or_worst
from sovereign_operator.cli.gather.workloads import claim_of, find_claim, must_get, read_pod, read_workload, target_of
from sovereign_operator.cli.options import (
    NamespaceOption,
    OperatorNamespaceOption,
    Output,
    OutputOption,
)
from sovereign_operator.cli.running import ask, finish, with_access
from sovereign_operator.cli.show.blocks import Block
from sovereign_operator.cli.show.explanations import show_claim, show_node, show_pod, show_workload
from sovereign_operator.core.workload.previewed import PreviewRow
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.resource import NAMESPACES, NODES, OURS, PODS, WORKLOADS
from sovereign_operator.kube.objects.pod import see_pod
from sovereign_operator.kube.objects.worst import worst_pod

KINDS: Final = {
    "pod": ("pods", "po"),
    "node": ("nodes", "no"),
    "deployment": ("deployments", "deploy"),
    "statefulset": ("statefulsets", "sts"),
    "daemonset": ("daemonsets", "ds"),
    "job": ("jobs",),
    "cronjob": ("cronjobs", "cj"),
    "sovereignworkload": ("sovereignworkloads", "swl"),
}
"""What can be explained, each with the other names that kubectl has for it."""
_NAMES: Final = {name: kind for kind, others in KINDS.items() for name in (kind, *others)}
_WORKLOADS: Final = {kind.value.lower(): kind for kind in WorkloadKind}


TargetArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="KIND/NAME",
        help=f"one object, as KIND/NAME or KIND NAME; the kinds are {', '.join(KINDS)}",
        autocompletion=complete_target,
    ),
]


@with_access
def explain(
    target: TargetArgument,
    *,
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    access: Access,
    operator_namespace: OperatorNamespaceOption = "",
) -> None:
    """Explain why a pod waits or is outside, or a node is refused.

    For a pod or workload: which policy it is held to and why, which nodes that policy accepts, which of the pod's own
    rules these do not meet, and the one thing to do. For a node: its datacentre, and which policies accept it.
    """
    kind, name = parse(target)

    async def question(reader: Reader, own: str) -> Answer:
        if kind == "node":
            return await _node(reader, name)
        where = namespace or own
        asker = _Asker(reader, operator_namespace)
        if kind == "pod":
            return await asker.pod(where, name)
        if kind == "sovereignworkload":
            return await asker.claim(where, name)
        return await asker.workload(_WORKLOADS[kind], name, where)

    finish(ask(access, question), output, lambda found: _show(found, wide=output is Output.WIDE))


def parse(target: list[str]) -> tuple[str, str]:
    """Return kind and name, given as KIND/NAME or as KIND and NAME. Raises CliError."""
    words = target[0].split("/", 1) if len(target) == 1 else target
    kind = _NAMES.get(words[0].lower())
    if kind is None or len(words) != 2 or not words[1]:  # noqa: PLR2004 - kind and name
        raise CliError(f"{' '.join(target)} is not a KIND/NAME: the kinds are {', '.join(KINDS)}")
    return kind, words[1]


def _show(answer: Answer, *, wide: bool) -> list[Block]:
    match answer:
        case PodExplanation():
            return show_pod(answer, wide=wide)
        case WorkloadExplanation():
            return show_workload(answer, wide=wide)
        case ClaimExplanation():
            return show_claim(answer)
        case NodeExplanation():
            return show_node(answer, wide=wide)
        case _:
            raise TypeError(type(answer).__name__)


async def _node(reader: Reader, name: str) -> NodeExplanation:
    node = await must_get(reader, NODES, name)
    estate = await read_estate(reader)
    if name not in estate.nodes:
        raise CliError(f"you may not list nodes, or {name} has just gone: ask a cluster admin to run the same command")
    return explain_node(name, node["metadata"]["uid"], estate)


class _Asker:
    """Gathers what explanations of pods and workloads have in common."""

    def __init__(self, reader: Reader, operator_namespace: str) -> None:
        self._reader, self._operator_namespace = reader, operator_namespace

    async def pod(self, namespace: str, name: str) -> PodExplanation:
        obj = await must_get(self._reader, PODS, name, namespace)
        seen = await read_pod(self._reader, obj)
        owner = seen.owner
        claim = await find_claim(self._reader, namespace, owner.kind, owner.name) if owner else None
        estate = await read_estate(self._reader)
        scope = await self._scope(namespace, seen.labels, estate, claim)
        waits = seen.sidecar_awaited is not None
        found = await self._obstacles(obj, scope.policy, estate, waits=waits)
        explained = explain_pod(seen, scope, estate, claim, found)
        if explained.next == NOTHING_TO_DO or scope.policy is None or owner is None:
            return explained
        again = await self._again(namespace, f"{owner.kind}/{owner.name}")
        return explain_pod(replace(seen, again=again), scope, estate, claim, found)

    async def _obstacles(self, obj: Json, policy: str | None, estate: Estate, *, waits: bool) -> tuple[str, ...]:
        """Say what stands in the way of a pod's encryption. ``waits``: whether its sidecar has not started yet."""
        pod, wanted = seen_or_worst(see_pod, worst_pod)(obj), wanted_by(estate)
        if policy is None or policy not in wanted or pod.transit != policy or pod.ended:
            return ()
        installation = await find_installation(self._reader, self._operator_namespace)
        closed_by = await read_closing(self._reader, obj, policy, installation.namespace)
        called = await read_called(self._reader, [(policy, pod)], wanted)
        asks = waits and pod.trust
        return obstacles(
            closed_by,
            (called or {}).get((pod.namespace, pod.pod.name), ""),
            cut_off_by=await read_cut_off(self._reader, obj, installation.namespace) if asks else [],
            refused=await read_refusal(self._reader, obj),
        )

    async def claim(self, namespace: str, name: str) -> Answer:
        obj = await must_get(self._reader, OURS[SOVEREIGN_WORKLOAD.plural], name, namespace)
        claim, target = claim_of(obj), target_of(obj)
        if isinstance(target, NoTarget):
            return explain_claim(namespace, claim, target)
        kind, called = target
        try:
            workload = await self._reader.get(WORKLOADS[kind], called, namespace)
        except NotFoundError:
            missing = NoTarget(f"there is no {kind} {called}", "create it, or correct spec.workloadRef", wrong=True)
            return explain_claim(namespace, claim, missing)
        if claim.refused or workload is None:
            return explain_claim(namespace, claim, None)
        return await self._workload(kind, workload, claim)

    async def workload(self, kind: WorkloadKind, name: str, namespace: str) -> WorkloadExplanation:
        obj = await must_get(self._reader, WORKLOADS[kind], name, namespace)
        return await self._workload(kind, obj, await find_claim(self._reader, namespace, kind, name))

    async def _workload(self, kind: WorkloadKind, obj: Json, claim: Claim | None) -> WorkloadExplanation:
        namespace = obj["metadata"]["namespace"]
        seen, estate = await read_workload(self._reader, kind, obj), await read_estate(self._reader)
        scope = await self._scope(namespace, seen.template_labels, estate, claim)
        found = explain_workload(seen, scope, estate, claim)
        if found.healthy or scope.policy is None:
            return found
        again = await self._again(namespace, f"{kind}/{seen.name}")
        pods = tuple(replace(pod, again=again) for pod in seen.pods)
        return explain_workload(replace(seen, pods=pods), scope, estate, claim)

    async def _again(self, namespace: str, workload: str) -> PreviewRow | None:
        """Return what would become of the pods of a workload if they were created again now."""
        # What this cannot read is no part of the answer: the row says so.
        reader = Reader(self._reader.api)
        installation = await find_installation(reader, self._operator_namespace)
        seen = await read_preview(reader, reader, installation, Asked("", namespace, (), {}))
        rows = report_preview(seen).rows
        return next((row for row in rows if (row.namespace, row.workload) == (namespace, workload)), None)

    async def _scope(self, namespace: str, labels: Mapping[str, str], estate: Estate, claim: Claim | None) -> Scope:
        installation = await find_installation(self._reader, self._operator_namespace)
        found = await self._reader.find(NAMESPACES, namespace)
        return scope_of(
            namespace,
            found["metadata"].get("labels") or {} if found else None,
            labels,
            never_in_scope=installation.system_namespaces,
            policies=estate.policies,
            unreadable=estate.facts.unread.policies,
            claim=claim,
        )
