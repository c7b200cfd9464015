"""Reads what stands in the way of a policy's encryption: calls of the API server, and NetworkPolicies."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.api.v1alpha1.sovereignty_policy import SOVEREIGNTY_POLICY
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.gather.reader import Reader, seen_or_worst, whole
from sovereign_operator.core import names
from sovereign_operator.core.encryption import refusals
from sovereign_operator.core.encryption.api_server import (
    Call,
    Targets,
    addresses_of,
    called_pods,
    calls_of,
    of_service,
    targets_of,
)
from sovereign_operator.core.encryption.needed_connections import ASKS, POLLED
from sovereign_operator.core.kubernetes.network_policy import Connection, Peer, closing, stance
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.core.report.reasons import line
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import (
    CALLERS,
    ENDPOINT_SLICES,
    EVENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    OURS,
    PODS,
    SERVICES,
)
from sovereign_operator.kube.objects.pod import ENDED_PHASES, ObservedPod, see_pod
from sovereign_operator.kube.objects.worst import worst_pod

EVENT_COUNTS: Final = timedelta(hours=1)
"""How long an Event about refused connections counts: the controller posts one an hour while it lasts. An API server
keeps Events for as long by default, and longer if its ``--event-ttl`` says so."""
NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The API server puts it on each namespace."""


def wanted_by(estate: Estate) -> dict[str, EncryptionInTransit]:
    """Return what the policies that encrypt ask for."""
    specs = estate.facts.policies.items()
    return {name: spec.encryption_in_transit for name, spec in specs if spec.encryption_in_transit}


async def read_called_anywhere(reader: Reader, estate: Estate) -> dict[tuple[str, str], str] | None:
    """Return, as ``read_called``, of all pods that admission placed for policies that ask for Strict."""
    wanted = wanted_by(estate)
    strict = sorted(policy for policy, asked in wanted.items() if asked.mode is EncryptionMode.STRICT)
    if not strict:
        return {}
    see, selector = seen_or_worst(see_pod, worst_pod), f"{names.PLACED_LABEL} in ({','.join(strict)})"
    pods = await reader.list(PODS, see, label_selector=selector)
    if pods is None:
        return None
    return await read_called(reader, [(pod.labels[names.PLACED_LABEL], pod) for pod in pods if not pod.ended], wanted)


async def read_called(
    reader: Reader, pods: Iterable[tuple[str, ObservedPod]], wanted: Mapping[str, EncryptionInTransit]
) -> dict[tuple[str, str], str] | None:
    """Return the pods that the API server calls and Strict refuses, by namespace and name, with ports and callers.

    ``pods``: each with its policy. ``wanted``: what policies ask for. None: the caller may not read what has the API
    server call Services. Raises ApiError.
    """
    by_policy: defaultdict[str, dict[tuple[str, str], tuple[str, str]]] = defaultdict(dict)
    for policy, pod in pods:
        if policy in wanted and wanted[policy].mode is EncryptionMode.STRICT:
            by_policy[policy] |= {(pod.namespace, each): (pod.namespace, pod.pod.name) for each in pod.addresses}
    if not by_policy:
        return {}
    namespaces = {namespace for found in by_policy.values() for namespace, _ in found}
    calls = await _read_calls(reader, namespaces)
    if calls is None:
        return None
    if not calls:
        return {}
    servers = await reader.list(ENDPOINT_SLICES, whole, "default", label_selector=of_service("kubernetes"))
    addresses = [address for part in servers or () for address in addresses_of(part)]
    found: dict[tuple[str, str], str] = {}
    for policy, mine in by_policy.items():
        found |= called_pods(wanted[policy], mine, calls, addresses)
    return found


async def _read_calls(reader: Reader, namespaces: set[str]) -> dict[Call, tuple[set[str], Targets]] | None:
    callers: defaultdict[Call, set[str]] = defaultdict(set)
    for kind in CALLERS:
        found = await reader.list(kind, partial(_see_calls, kind.kind))
        if found is None:
            return None
        for name, calls in found:
            for call in calls:
                callers[call].add(name)
    return {
        call: (callers[call], await _read_targets(reader, call))
        for call in sorted(callers)
        if call.namespace in namespaces
    }


async def _read_targets(reader: Reader, call: Call) -> Targets:
    service = await reader.find(SERVICES, call.service, call.namespace)
    if service is None:
        return {}
    slices = await reader.list(ENDPOINT_SLICES, whole, call.namespace, label_selector=of_service(call.service))
    return targets_of(call, service, slices or ())


def _see_calls(kind: str, obj: Json) -> tuple[str, frozenset[Call]]:
    return f"{kind} {obj['metadata']['name']}", calls_of(kind, obj)


async def read_closing(reader: Reader, pod: Json, policy: str, operator_namespace: str) -> list[str]:
    """Return the NetworkPolicies that keep the controller from the sidecar of a pod, as far as the caller may read.

    None if all sidecars of its policy have answered: then something else admits the controller, such as a rule of a
    kind that the network plugin has. Raises ApiError.
    """
    held_by = await reader.peek(OURS[SOVEREIGNTY_POLICY.plural], policy)
    if condition_of((held_by or {}).get("status") or {}, "Encrypted").get("status") == "True":
        return []
    return await _keeping_apart(reader, pod, operator_namespace, "controller", POLLED)


async def read_cut_off(reader: Reader, pod: Json, operator_namespace: str) -> list[str]:
    """Return the NetworkPolicies that keep the sidecar of a pod from the signers, as far as the caller may read.

    ``pod``: one whose sidecar has not started, and asks the signers itself. Raises ApiError.
    """
    return await _keeping_apart(reader, pod, operator_namespace, "signer", ASKS)


async def _keeping_apart(
    reader: Reader, pod: Json, operator_namespace: str, component: str, needed: Connection
) -> list[str]:
    """Return the NetworkPolicies that keep a pod and one of the operator's processes apart."""
    namespace = pod["metadata"]["namespace"]
    policies = await reader.list(NETWORK_POLICIES, whole, namespace) or []
    if not policies:
        return []
    labels = pod["metadata"].get("labels") or {}
    found: set[str] = set()
    for peer in await _own_pods(reader, operator_namespace, component):
        known = [(one["metadata"]["name"], stance(one, labels, peer, needed)) for one in policies]
        found |= {*closing(known)}
    return sorted(found)


async def read_refusal(reader: Reader, pod: Json) -> str:
    """Return when the controller last reported that the sidecar of a pod refuses connections, within the last hour.

    Empty if it did not, or if the caller may not read Events. Raises ApiError.
    """
    selector = f"involvedObject.uid={pod['metadata']['uid']},reason={refusals.REFUSED}"
    events = await reader.list(EVENTS, whole, pod["metadata"]["namespace"], field_selector=selector) or []
    return last_posted(events, reader.now())


def last_posted(events: Iterable[Json], now: datetime) -> str:
    """Return when the controller posted the last of some Events, if that is at most EVENT_COUNTS ago; empty if not."""
    # Others may post Events, too.
    own = [event for event in events if (event.get("source") or {}).get("component") == names.FIELD_MANAGER]
    last = max((str(event.get("lastTimestamp") or "") for event in own), default="")
    try:
        return line(last) if now - datetime.fromisoformat(last) <= EVENT_COUNTS else ""
    except (ValueError, TypeError):
        return ""


async def _own_pods(reader: Reader, namespace: str, component: str) -> list[Peer]:
    """Return the pods of a process as others see them: with the chart's labels alone if none can be read."""
    own = {"app.kubernetes.io/name": "sovereign-operator", names.COMPONENT_LABEL: component}
    there = await reader.peek(NAMESPACES, namespace)
    labels = ((there or {}).get("metadata") or {}).get("labels") or {NAME_LABEL: namespace}
    selector = ",".join(f"{key}={value}" for key, value in own.items())
    pods = await reader.glance(PODS, namespace, label_selector=selector)
    seen = [
        Peer(
            namespace,
            labels,
            one["metadata"].get("labels") or {},
            tuple(entry["ip"] for entry in (one.get("status") or {}).get("podIPs") or ()),
        )
        for one in pods
        if (one.get("status") or {}).get("phase") not in ENDED_PHASES
    ]
    return seen or [Peer(namespace, labels, own, ())]
