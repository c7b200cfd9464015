"""Reads what a preview is made of, as it is and as it would be."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.api.v1alpha1.sovereign_workload import SOVEREIGN_WORKLOAD, WorkloadKind
from sovereign_operator.api.v1alpha1.sovereignty_policy import SOVEREIGNTY_POLICY
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.preview import PreviewSeen
from sovereign_operator.cli.gather.estate import read_estate
from sovereign_operator.cli.gather.installation import Installation
from sovereign_operator.cli.gather.obstacles import read_called, wanted_by
from sovereign_operator.cli.gather.overlay import NEW, Key, is_new
from sovereign_operator.cli.gather.preview_namespaces import FactsByNamespace, any_encrypts, read_namespace_facts
from sovereign_operator.cli.gather.preview_rights import is_complete
from sovereign_operator.cli.gather.preview_scope import Holder, enforcing
from sovereign_operator.cli.gather.preview_volumes import Volumes
from sovereign_operator.cli.gather.preview_workloads import TEMPLATED, LivePod, Subject, as_previewed, labels_of
from sovereign_operator.cli.gather.reader import Reader, seen_or_worst, whole
from sovereign_operator.cli.gather.workloads import BETWEEN, controller_of
from sovereign_operator.core import names
from sovereign_operator.core.identity.trust_window import trust_windows
from sovereign_operator.core.kubernetes.node_room import left_on_nodes
from sovereign_operator.core.report.conditions import MAX_MESSAGE
from sovereign_operator.core.report.reasons import line
from sovereign_operator.core.workload.facts import workload_of
from sovereign_operator.core.workload.previewed import Outcome, Previewed, PreviewRow, Stage, Trigger
from sovereign_operator.core.workload.readiness import job_outcome
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import (
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    OURS,
    PODS,
    QUOTAS,
    VOLUME_CLAIMS,
    VOLUMES,
    Resource,
)
from sovereign_operator.kube.objects.pod import ObservedPod, see_pod
from sovereign_operator.kube.objects.workload import see_sovereign_workload
from sovereign_operator.kube.objects.worst import worst_pod

STORAGE_CLASSES: Final = Resource("storage.k8s.io/v1", "storageclasses", "StorageClass", namespaced=False)
UNSIZED: Final = "it is not known how much room the nodes have: a Node in a file has no status.allocatable"


@dataclass(frozen=True)
class Asked:
    """What a preview is asked for."""

    policy: str
    """The policy that namespaces would enforce; empty: none would do so anew."""
    namespace: str
    """The namespace to look at; empty: all."""
    change: tuple[str, ...]
    files: Mapping[Key, Json]
    offline: bool = False
    """Whether there is nothing but what the files hold."""


async def read_preview(before: Reader, after: Reader, installation: Installation, asked: Asked) -> PreviewSeen:
    """Read what the caller may, as it is and as it would be. Raises ApiError and CliError."""
    old, new = await read_estate(before), await read_estate(after)
    return await _Gatherer((before, after), installation, asked, (old, new)).read()


@dataclass(frozen=True)
class _Declared:
    """What a SovereignWorkload in a file says of its workload."""

    label: Mapping[str, str]
    """The one that the operator would put on its pods."""
    made: Json | None
    """The workload that the operator would create; None: it refers to one."""


class _Gatherer:
    """Reads workloads with their pods, and who holds them."""

    def __init__(
        self, readers: tuple[Reader, Reader], installation: Installation, asked: Asked, estates: tuple[Estate, Estate]
    ) -> None:
        self._before, self._after = readers
        self._old, self._new = estates
        self._installation, self._asked = installation, asked

    async def read(self) -> PreviewSeen:
        """Return all that the preview rests on."""
        where = self._asked.namespace
        labels_before, labels_after = await self._read_namespaces()
        modes = await _read_modes(self._before)
        all_pods, subjects = await self._read_subjects(where)
        complete = is_complete(self._after.unread, where)
        encrypts = any_encrypts(self._new.facts)
        around = await read_namespace_facts(self._after, where, subjects) if encrypts else FactsByNamespace()
        holder = Holder(self._installation, self._new, labels_before, labels_after, around)
        claims, volumes, classes = await asyncio.gather(
            self._after.list(VOLUME_CLAIMS, whole, where),
            self._after.list(VOLUMES, whole),
            self._after.list(STORAGE_CLASSES, whole),
        )
        if self._asked.offline and not classes:
            # Each cluster has some, and nobody who writes manifests thinks of them.
            classes = None
        found: list[Previewed] = []
        broken: list[PreviewRow] = []
        held: list[tuple[str, ObservedPod]] = []
        for subject in subjects:
            policy, before = holder.policies(subject)
            if policy is None and before is None and not self._is_laid(subject):
                continue
            held += [(policy, pod.seen) for pod in subject.pods if policy]
            lists = Volumes(_by_name(claims, subject.namespace), _by_name(volumes, ""), _by_name(classes, ""))
            mode = modes.get(policy or "")
            try:
                found.append(as_previewed(subject, holder.hold(policy, subject), before, lists, mode=mode))
            except Exception as error:  # noqa: BLE001 - anybody may have written it, so it may raise whatever it may
                broken.append(_broken(subject, policy, error))
        stage = await self._stage(all_pods, found)
        judged = self._new.judged and self._old.judged
        called = await read_called(self._after, held, wanted_by(self._new)) or {}
        return PreviewSeen(
            self._asked.change,
            tuple(found),
            stage,
            judged,
            tuple(broken),
            self._ignored(),
            called,
            self._elsewhere(),
            scope=where,
            never_in_scope=where in self._installation.system_namespaces,
            complete=complete,
        )

    async def _read_namespaces(self) -> tuple[dict[str, Mapping[str, str]], dict[str, Mapping[str, str]]]:
        """Return the labels of namespaces, as they are and as they would be."""
        labels = []
        for reader in (self._before, self._after):
            if self._asked.namespace:
                found = await reader.find(NAMESPACES, self._asked.namespace)
                objects = [found] if found else []
            else:
                objects = await reader.list(NAMESPACES, whole) or []
            labels.append({obj["metadata"]["name"]: obj["metadata"].get("labels") or {} for obj in objects})
        before, after = labels
        laid = {key[2] for key in self._asked.files if key[2]}
        missing = ({self._asked.namespace} if self._asked.namespace else laid) - after.keys()
        after |= {name: {} for name in missing}
        if self._asked.policy:
            after = enforcing(after, self._asked.policy, self._installation.system_namespaces)
        return before, after

    async def _read_pods(self, where: str) -> tuple[list[LivePod] | None, list[LivePod]]:
        """Return all pods that have not ended, and those to look at; None: the caller may not list all."""
        everywhere = await self._after.list(PODS, _see_pod)
        if everywhere is not None:
            living = [pod for pod in everywhere if not pod.seen.ended]
            return living, [pod for pod in living if where in ("", pod.seen.namespace)]
        own = await self._after.list(PODS, _see_pod, where) if where else None
        return None, [pod for pod in own or () if not pod.seen.ended]

    async def _read_subjects(self, where: str) -> tuple[list[LivePod] | None, list[Subject]]:
        """Return all pods, and workloads, each with its pods, and whatever else owns pods."""
        everywhere, found = await self._read_pods(where)
        owned: defaultdict[tuple[str, str, str], list[LivePod]] = defaultdict(list)
        for pod in found:
            if not pod.seen.terminating and not is_new(pod.obj):
                owned[_owner_key(pod)].append(pod)
        declared = dict(self._declared())
        workloads = {key: claim.made for key, claim in declared.items() if claim.made and where in ("", key[0])}
        for resource in TEMPLATED:
            for obj in await self._after.list(resource, whole, where) or ():
                if _is_counted(resource.kind, obj):
                    workloads[obj["metadata"]["namespace"], resource.kind, obj["metadata"]["name"]] = obj
        subjects = []
        for key, obj in workloads.items():
            added = declared[key].label if key in declared else {}
            subjects.append(Subject(*key, obj, owned.pop(key, []), labels_of(key[1], obj), added))
        subjects += [Subject(*key, None, mine, mine[0].seen.labels) for key, mine in sorted(owned.items())]
        made = [pod for pod in found if is_new(pod.obj)]
        subjects += [Subject(*_owner_key(pod), pod.obj, (), pod.seen.labels) for pod in made]
        living = None if everywhere is None else [pod for pod in everywhere if not is_new(pod.obj)]
        return living, subjects

    def _declared(self) -> Iterator[tuple[tuple[str, str, str], "_Declared"]]:
        """Yield the workloads that SovereignWorkloads in files are about."""
        for (_, file_kind, namespace, name), obj in self._asked.files.items():
            seen = see_sovereign_workload(obj) if file_kind == SOVEREIGN_WORKLOAD.name else None
            if not isinstance(seen, tuple):
                continue
            spec, workload = seen[0], workload_of(name, seen[0])
            if workload is None:
                continue
            kind, called = workload
            label = {names.POLICY_LABEL: spec.policy_ref.name} if spec.policy_ref else {}
            metadata = {"namespace": namespace, "name": called, "uid": NEW}
            made = {"kind": kind.value, "metadata": metadata, "spec": spec.template.spec} if spec.template else None
            yield (namespace, kind.value, called), _Declared(label, made)

    def _is_laid(self, subject: Subject) -> bool:
        return (subject.kind, subject.namespace, subject.name) in {key[1:] for key in self._asked.files}

    async def _stage(self, pods: Sequence[LivePod] | None, workloads: Sequence[Previewed]) -> Stage:
        before, after = self._old.verdicts, self._new.verdicts
        traits = {name: seen.traits for name, seen in self._new.nodes.items()}
        stage = Stage(before, after, frozenset(trust_windows(after.facts)), traits, None)
        nodes = await self._after.list(NODES, _allocatable) or []
        if any(not amounts for name, amounts in nodes if after.accepted_at_all(name)):
            return replace(stage, room_unknown=UNSIZED)
        if pods is None:
            return stage
        taken = [(pod.seen.pod.node, pod.held) for pod in pods if pod.seen.pod.node]
        wanted = {name for one in workloads for each in one.replicas for name in each.requests}
        wanted |= {name for one in workloads for name in one.template_requests}
        return replace(stage, free=left_on_nodes(dict(nodes), taken, wanted))

    def _elsewhere(self) -> tuple[str, ...]:
        """Return the namespaces of objects in files at which nobody asked to look."""
        where = self._asked.namespace
        return tuple(sorted({key[2] for key in self._asked.files} - {where, ""})) if where else ()

    def _ignored(self) -> tuple[str, ...]:
        others = (PODS, NODES, NAMESPACES, VOLUMES, VOLUME_CLAIMS, STORAGE_CLASSES, LIMIT_RANGES, QUOTAS)
        looked_at = {resource.kind for resource in (*TEMPLATED, *others)}
        looked_at |= {resource.kind for resource in OURS.values()}
        return tuple(sorted({key[1] for key in self._asked.files} - looked_at))


async def _read_modes(reader: Reader) -> dict[str, EncryptionMode]:
    """Return how far the encryption of each policy has come, or else what it asks for."""

    def see(obj: Json) -> tuple[str, Any]:
        reached = ((obj.get("status") or {}).get("encryption") or {}).get("mode")
        asked = ((obj.get("spec") or {}).get("encryptionInTransit") or {}).get("mode")
        return obj["metadata"]["name"], reached or asked

    found = await reader.list(OURS[SOVEREIGNTY_POLICY.plural], see) or []
    return {name: EncryptionMode(mode) for name, mode in found if mode in {*EncryptionMode}}


def _see_pod(obj: Json) -> LivePod:
    return LivePod(seen_or_worst(see_pod, worst_pod)(obj), obj)


def _allocatable(obj: Json) -> tuple[str, Mapping[str, str]]:
    return obj["metadata"]["name"], (obj.get("status") or {}).get("allocatable") or {}


def _owner_key(pod: LivePod) -> tuple[str, str, str]:
    """Return what a pod is shown under: a static pod, which its node controls, is its own owner."""
    owner = pod.seen.owner
    alone = pod.seen.static or owner.kind == "Node"
    return pod.seen.namespace, "Pod" if alone else owner.kind, pod.seen.pod.name if alone else owner.name


def _is_counted(kind: str, obj: Json) -> bool:
    """Whether a workload has or makes pods of its own: another one may own it, and a Job may have ended."""
    if kind in BETWEEN and controller_of(obj):
        return False
    return kind != WorkloadKind.JOB or not job_outcome(obj)


def _by_name(objects: Sequence[Json] | None, namespace: str) -> dict[str, Json] | None:
    if objects is None:
        return None
    mine: Iterator[Json] = (obj for obj in objects if namespace in ("", obj["metadata"].get("namespace")))
    return {obj["metadata"]["name"]: obj for obj in mine}


def _broken(subject: Subject, policy: str | None, error: Exception) -> PreviewRow:
    why = f"it cannot be read: {line(repr(error), MAX_MESSAGE)}"
    workload = f"{subject.kind}/{subject.name}"
    return PreviewRow(
        subject.namespace, workload, policy or "", Trigger.ROLL_OUT, Outcome.CANNOT_TELL, len(subject.pods), why
    )
