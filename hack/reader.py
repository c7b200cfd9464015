"""Reads objects from the API server, as ``kubectl get -o json`` prints them, without a process for each.

kubectl takes a tenth of a second of a core for each look, and tests look again and again until something is true. The
``kubernetes`` package's dynamic client finds resources by asking once for each API version; aggregated discovery takes
two requests, https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from kubernetes import config

Json = dict[str, Any]

JSON = "application/json"
DISCOVERY = f"{JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TIMEOUT_SECONDS = 60.0


class ReadError(Exception):
    """The API server did not return what was asked for. The text says why, as kubectl words it."""


@dataclass(frozen=True)
class Resource:
    """A kind of objects that the API server serves."""

    path: str
    """Of its API version, such as ``/apis/apps/v1``."""
    group: str
    plural: str
    kind: str
    names: frozenset[str]
    """All that kubectl takes for it, in lower case."""
    namespaced: bool

    def is_named(self, name: str) -> bool:
        """Whether a name is one of its names, with or without its group."""
        short, _, group = name.lower().partition(".")
        return short in self.names and (not group or group == self.group)

    def url(self, namespace: str, name: str = "") -> str:
        """Return the path of its objects in a namespace, in all if none is named, or of one of them."""
        where = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{self.path}{where}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Reader:
    """Reads with one person's credentials."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._resources: tuple[Resource, ...] = ()

    def get(self, kind: str, name: str, namespace: str) -> Json:
        """Return an object; of the namespace ``default`` if none is named. Raises ReadError."""
        return _without_managed_fields(self._read(self._resource(kind).url(namespace or "default", name)))

    def list(self, kinds: str, namespace: str, selector: str) -> list[Json]:
        """Return the objects of one or more kinds, of all namespaces if none is named. Raises ReadError.

        ``kinds``: separated by commas.
        """
        return [found for kind in kinds.split(",") for found in self._list(kind, namespace, selector)]

    def _list(self, kind: str, namespace: str, selector: str) -> Iterator[Json]:
        resource = self._resource(kind)
        found = self._read(f"{resource.url(namespace)}?{urlencode({'labelSelector': selector})}")
        for item in found["items"]:
            # The API server names their kind only once, in the list.
            yield {"apiVersion": found["apiVersion"], "kind": resource.kind} | _without_managed_fields(item)

    @cached_property
    def _client(self) -> Any:
        return config.new_client_from_config(str(self._kubeconfig))  # type: ignore[no-untyped-call]

    def _resource(self, kind: str) -> Resource:
        """Return what a name stands for; if it is unknown, discover again first, as its CRD may be new."""
        found = self._find(kind)
        if not found:
            self._resources = self._discover()
            found = self._find(kind)
        if not found:
            raise ReadError(f'error: the server doesn\'t have a resource type "{kind}"')
        return found

    def _find(self, kind: str) -> Resource | None:
        return next((each for each in self._resources if each.is_named(kind)), None)

    def _discover(self) -> tuple[Resource, ...]:
        groups = [group for path in ("/api", "/apis") for group in self._read(path, accept=DISCOVERY)["items"]]
        return tuple(resource for group in groups for resource in _resources_of(group))

    def _read(self, path: str, accept: str = JSON) -> Json:
        try:
            url = f"{self._client.configuration.host}{path}"
            answer = self._client.call_api("GET", url, {"Accept": accept}, _request_timeout=TIMEOUT_SECONDS)
            found: Json = json.loads(answer.read())
        except (urllib3.exceptions.HTTPError, config.ConfigException) as error:
            raise ReadError(f"the API server could not be asked: {error}") from error
        except ValueError as error:
            # Only an unknown path is answered in plain text: a version that is no longer served.
            self._resources = ()
            raise ReadError(f"Error from server (NotFound): nothing is served at {path}") from error
        if answer.status != HTTPStatus.OK:
            raise ReadError(f"Error from server ({found.get('reason', answer.status)}): {found.get('message', '')}")
        return found


def _resources_of(group: Json) -> Iterator[Resource]:
    """Yield the resources of a group, those of the preferred version first."""
    name = group["metadata"].get("name", "")
    for version in group["versions"]:
        path = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
        for found in version.get("resources", ()):
            kind = found["responseKind"]["kind"]
            terms = {found["resource"], found.get("singularResource", ""), kind.lower(), *found.get("shortNames", ())}
            yield Resource(path, name, found["resource"], kind, frozenset(terms), found["scope"] == "Namespaced")


def _without_managed_fields(obj: Json) -> Json:
    obj["metadata"].pop("managedFields", None)
    return obj
