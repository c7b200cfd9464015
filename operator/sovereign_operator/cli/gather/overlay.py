"""What a preview changes: objects from files are laid over those of the cluster, and some are left out."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from sovereign_operator.api.v1alpha1 import GROUP, KINDS
from sovereign_operator.api.v1alpha1.derogation import DEROGATION
from sovereign_operator.api.v1alpha1.kind import Scope
from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.gather.reader import Reader, called, whole
from sovereign_operator.cli.gather.unknown_fields import unknown_fields
from sovereign_operator.core import names
from sovereign_operator.core.report.conditions import MAX_MESSAGE
from sovereign_operator.core.report.reasons import line
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.resource import NODES, OURS, Resource

T = TypeVar("T")
Key = tuple[str, str, str, str]
"""Group, kind, namespace and name."""

STANDARD_INPUT: Final = "-"
ENDINGS: Final = (".yaml", ".yml", ".json")
ASKS: Final = "who wrote the file"
APPROVES: Final = "the preview"
REMOVABLE: Final[Mapping[str, Resource]] = {
    **dict.fromkeys(("node", "nodes", "no"), NODES),
    **{
        word: OURS[kind.plural]
        for kind in KINDS
        if kind.scope is not Scope.NAMESPACED
        for word in (kind.name.lower(), kind.plural, *kind.short_names)
    },
}
"""What ``--without`` takes, by the names that kubectl has for it."""


CLUSTER_WIDE: Final = {"": {"Node", "Namespace", "PersistentVolume"}, "storage.k8s.io": {"StorageClass"}}
"""The kinds of others that are in no namespace, by API group, as far as previews look at them."""

NEW: Final = "preview-of-"
"""How the uid of an object begins that is in a file alone."""


class _Loader(yaml.SafeLoader):
    """Reads YAML as kubectl does, for which a day is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def is_new(obj: Json) -> bool:
    """Whether an object is in a file alone."""
    return str(obj["metadata"].get("uid", "")).startswith(NEW)


@dataclass(frozen=True)
class Overlay:
    """Objects to lay over those of the cluster, objects to leave out, and another time."""

    objects: Mapping[Key, Json] = field(default_factory=dict)
    without: frozenset[Key] = frozenset()
    now: datetime | None = None


def read_files(paths: Sequence[str], namespace: str) -> dict[Key, Json]:
    """Return the objects in files. ``namespace``: of those that name none. Raises CliError."""
    found = {}
    for path in (inner for named in paths for inner in _files(named)):
        for obj in _objects(path):
            if fault := _fault(obj):
                raise CliError(f"{_called(path)} has {fault}: correct it")
            if unknown := unknown_fields(obj):
                raise _unknown(unknown, obj, path)
            found[_key(obj, namespace)] = obj
    return found


def parse_without(words: Sequence[str]) -> dict[Key, str]:
    """Return what is to be left out, each with how it was named. Raises CliError."""
    found = {}
    for word in words:
        kind, _, name = word.partition("/")
        resource = REMOVABLE.get(kind.lower())
        if resource is None or not name:
            kinds = ", ".join(sorted({one.kind.lower() for one in REMOVABLE.values()}))
            raise CliError(f"--without {word} is not a KIND/NAME: the kinds are {kinds}")
        found[_group(resource.api_version), resource.kind, "", name] = word
    return found


class LaidReader(Reader):
    """Reads objects as they would be. Without a ``base``, no cluster is asked."""

    def __init__(self, base: "Reader | None", overlay: Overlay) -> None:
        self._base, self._overlay = base, overlay
        self._seen: dict[tuple[str, str, str, str], list[Json] | None] = {}

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read so far, sorted."""
        return self._base.unread if self._base else ()

    def now(self) -> datetime:
        """Return the time of the preview."""
        return self._overlay.now or (self._base.now() if self._base else datetime.now(UTC))

    async def list(
        self,
        resource: Resource,
        see: Callable[[Json], T],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> list[T] | None:
        """Return what ``see`` keeps of all objects, as ``Reader.list``. Selectors do not select objects of files."""
        asked = (called(resource), namespace, label_selector, field_selector)
        if asked not in self._seen:
            found = (
                await self._base.list(
                    resource,
                    whole,
                    namespace,
                    label_selector=label_selector,
                    field_selector=field_selector,
                )
                if self._base
                else []
            )
            selected = bool(label_selector or field_selector)
            self._seen[asked] = found if found is None or selected else [*self._laid(resource, namespace, found)]
        objects = self._seen[asked]
        return None if objects is None else [see(obj) for obj in objects]

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Json | None:
        """Return an object, as ``Reader.get``."""
        live: list[Json] = []
        try:
            found = await self._base.get(resource, name, namespace) if self._base else None
            if found is None and self._base:
                return None
            live = [found] if found else []
        except NotFoundError:
            live = []
        laid = [obj for obj in self._laid(resource, namespace, live) if obj["metadata"]["name"] == name]
        if not laid:
            raise NotFoundError(404, f"{resource.kind} {name} does not exist")
        return laid[0]

    async def peek(self, resource: Resource, name: str, namespace: str = "") -> Json | None:
        """Return an object of the cluster itself, as ``Reader.peek``."""
        return await self._base.peek(resource, name, namespace) if self._base else None

    def _laid(self, resource: Resource, namespace: str, live: Sequence[Json]) -> Iterator[Json]:
        group = _group(resource.api_version)
        rest = {
            key: obj
            for key, obj in self._overlay.objects.items()
            if key[:2] == (group, resource.kind) and (not namespace or key[2] == namespace)
        }
        for obj in live:
            key = (group, resource.kind, obj["metadata"].get("namespace") or "", obj["metadata"]["name"])
            if key not in self._overlay.without:
                yield _merged(obj, rest.pop(key)) if key in rest else obj
        yield from (_complete(obj, key) for key, obj in rest.items() if key not in self._overlay.without)


def _files(path: str) -> Iterator[str]:
    """Yield the files of a folder, or the file itself."""
    if path == STANDARD_INPUT or not Path(path).is_dir():
        yield path
        return
    for inner in sorted(Path(path).iterdir()):
        if inner.suffix in ENDINGS:
            yield from _files(str(inner))


def _objects(path: str) -> Iterator[Any]:
    try:
        text = sys.stdin.read() if path == STANDARD_INPUT else Path(path).read_text(encoding="utf-8")
        documents = [*yaml.load_all(text, _Loader)]
    except OSError as error:
        raise CliError(f"{_called(path)} cannot be read: {error.strerror}: correct -f") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CliError(f"{_called(path)} is no YAML: {line(str(error), MAX_MESSAGE)}: correct it") from error
    for document in filter(None, documents):
        many = isinstance(document, dict) and isinstance(document.get("items"), list)
        yield from document["items"] if many else [document]


def _fault(obj: Any) -> str:
    """Return what keeps something in a file from being an object that can be laid over others; empty if nothing."""
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
        return "something that is no Kubernetes object"
    metadata = obj["metadata"]
    if not isinstance(metadata.get("name"), str) or not isinstance(obj.get("kind"), str):
        return "an object without kind or metadata.name"
    maps = {"spec": obj.get("spec"), "status": obj.get("status")}
    maps |= {f"metadata.{name}": metadata.get(name) for name in ("labels", "annotations")}
    wrong = next((name for name, value in maps.items() if not isinstance(value, dict | None)), "")
    return f"{obj['kind']} {metadata['name']}, whose {wrong} is no map" if wrong else ""


def _unknown(fields: Sequence[str], obj: Json, path: str) -> CliError:
    """Return the error about fields that an object of one of our kinds does not have."""
    named, kind = ", ".join(fields), obj["kind"]
    what = f"unknown {'field' if len(fields) == 1 else 'fields'} {named} of {kind} {obj['metadata']['name']}"
    said = f"{what} in {_called(path)}: correct it; the fields are in crds/{kind.lower()}.md"
    return CliError(line(said, MAX_MESSAGE))


def _called(path: str) -> str:
    return "standard input" if path == STANDARD_INPUT else path


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _key(obj: Json, namespace: str) -> Key:
    kind, group = obj["kind"], _group(str(obj.get("apiVersion", "v1")))
    where = "" if _is_of_cluster(group, kind) else obj["metadata"].get("namespace") or namespace
    return group, kind, where, obj["metadata"]["name"]


def _is_of_cluster(group: str, kind: str) -> bool:
    ours = {one.name for one in KINDS if one.scope is not Scope.NAMESPACED}
    return (group in CLUSTER_WIDE and kind in CLUSTER_WIDE[group]) or (group == GROUP and kind in ours)


def _merged(live: Json, laid: Json) -> Json:
    """Return a live object as it would be once a file is applied."""
    old, new = live["metadata"], laid["metadata"]
    maps = {name: {**(old.get(name) or {}), **(new.get(name) or {})} for name in ("labels", "annotations")}
    ours = _group(str(live.get("apiVersion") or laid.get("apiVersion", ""))) == GROUP
    spec = laid.get("spec") or {}
    # Who applies a manifest without a field of a workload leaves that to others: replicas, to an autoscaler.
    made = {**live, "spec": spec if ours else {**(live.get("spec") or {}), **spec}}
    made = made | {field: laid[field] for field in ("status",) if laid.get(field)} | {"metadata": {**old, **maps}}
    return _approved(made) if laid["kind"] == DEROGATION.name else made


def _complete(laid: Json, key: Key) -> Json:
    """Return an object of a file as it would be once it is created."""
    group, kind, namespace, name = key
    where = {"namespace": namespace} if namespace else {}
    metadata = {
        "uid": f"{NEW}{kind}-{namespace}-{name}".lower(),
        "generation": 1,
        "resourceVersion": "0",
        "creationTimestamp": "9999-01-01T00:00:00Z",
        **{name: value for name, value in laid["metadata"].items() if value is not None},
        **where,
    }
    made = {**laid, "metadata": metadata}
    return _approved(made) if (group, kind) == (GROUP, DEROGATION.name) else made


def _approved(obj: Json) -> Json:
    """Return a Derogation as if it were approved: that is what its preview is asked for."""
    metadata = obj["metadata"]
    stamped = {**(metadata.get("annotations") or {}), names.REQUESTED_BY_ANNOTATION: ASKS}
    status = {
        "approvedBy": APPROVES,
        "approvedGeneration": metadata.get("generation"),
        "approvedUID": metadata.get("uid"),
    }
    return {**obj, "metadata": {**metadata, "annotations": stamped}, "status": status}
