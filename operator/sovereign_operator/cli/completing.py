"""Completes names of objects for a shell: it asks the cluster, for a short time, and says nothing if that fails."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import typer

from sovereign_operator.api.v1alpha1.sovereign_workload import SOVEREIGN_WORKLOAD, WorkloadKind
from sovereign_operator.api.v1alpha1.sovereignty_policy import SOVEREIGNTY_POLICY
from sovereign_operator.cli.connection import Access, connected, contexts_of
from sovereign_operator.cli.gather.overlay import REMOVABLE
from sovereign_operator.kube.client.resource import NAMESPACES, NODES, OURS, PODS, WORKLOADS, Resource

SECONDS: Final = 2.0
"""How long a person who pressed Tab waits at most."""
PAGE: Final = 500
NAMES: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""Of a list of objects, their metadata alone."""

EXPLAINED: Final[Mapping[str, Resource]] = {
    "pod": PODS,
    "node": NODES,
    **{kind.value.lower(): WORKLOADS[kind] for kind in WorkloadKind},
    "sovereignworkload": OURS[SOVEREIGN_WORKLOAD.plural],
}
"""By kind, what can be explained."""
WITHOUT: Final = ("node", "datacentre", "cloudservice", "sovereigntypolicy", "derogation")
"""The kinds that a preview can leave out, by their full names."""


def complete_context(context: typer.Context, incomplete: str) -> list[str]:
    """Return the contexts of the kubeconfig that begin like this."""
    with contextlib.suppress(Exception):
        return _beginning(contexts_of(_given(context, "kubeconfig")), incomplete)
    return []


def complete_namespace(context: typer.Context, incomplete: str) -> list[str]:
    """Return the namespaces that begin like this."""
    return _beginning(_names(context, NAMESPACES), incomplete)


def complete_policy(context: typer.Context, incomplete: str) -> list[str]:
    """Return the policies that begin like this."""
    return _beginning(_names(context, OURS[SOVEREIGNTY_POLICY.plural]), incomplete)


def complete_node(context: typer.Context, incomplete: str) -> list[str]:
    """Return the nodes that begin like this, without those that are named already."""
    named = {*(context.params.get("names") or ())}
    return [name for name in _beginning(_names(context, NODES), incomplete) if name not in named]


def complete_target(context: typer.Context, incomplete: str) -> list[str]:
    """Return what can be explained and begins like this: a kind, or an object as KIND/NAME, or as NAME after KIND."""
    before = [*(context.params.get("target") or ())]
    if before:
        resource = EXPLAINED.get(before[0].lower())
        return _beginning(_names(context, resource), incomplete) if resource and len(before) == 1 else []
    return _complete_object(context, incomplete, EXPLAINED, EXPLAINED)


def complete_without(context: typer.Context, incomplete: str) -> list[str]:
    """Return what a preview can leave out and begins like this, as KIND/NAME."""
    return _complete_object(context, incomplete, WITHOUT, REMOVABLE)


def _complete_object(
    context: typer.Context, incomplete: str, offered: Iterable[str], known: Mapping[str, Resource]
) -> list[str]:
    kind, slash, name = incomplete.partition("/")
    if not slash:
        return [f"{word}/" for word in offered if word.startswith(kind.lower())]
    resource = known.get(kind.lower())
    return [f"{kind}/{found}" for found in _beginning(_names(context, resource), name)] if resource else []


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _given(context: typer.Context, option: str) -> str:
    return str(context.params.get(option) or "")


def _names(context: typer.Context, resource: Resource) -> list[str]:
    """Return the names of objects, as many as the cluster says in time."""
    access = Access(
        _given(context, "kubeconfig"),
        _given(context, "context"),
        _given(context, "user"),
        tuple(context.params.get("groups") or ()),
    )
    found: list[str] = []
    _for_seconds(lambda: asyncio.run(_read(access, resource, _given(context, "namespace"), found)))
    return [*found]


async def _read(access: Access, resource: Resource, namespace: str, found: list[str]) -> None:
    async with connected(access) as connection:
        path = resource.path(namespace=namespace or connection.namespace)
        query: dict[str, Any] = {"limit": PAGE}
        while True:
            page = await connection.api.request("GET", path, query=query, accept=NAMES)
            found += [entry["metadata"]["name"] for entry in page["items"]]
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return


def _for_seconds(work: Callable[[], None]) -> None:
    """Work for SECONDS at most, and keep silent if it fails. What takes longer ends with the program."""

    def quietly() -> None:
        with contextlib.suppress(Exception):
            work()

    worker = threading.Thread(target=quietly, daemon=True)
    worker.start()
    worker.join(SECONDS)
