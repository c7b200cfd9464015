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
from urllib.parse import urlencode

import urllib3
from kubernetes import config

from sovereign_operator.kube.client.resource import Resource

Json = dict[str, Any]

JSON = "application/json"
DISCOVERY = f"{JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TIMEOUT_SECONDS = 60.0


class ReadError(Exception):
    """The API server did not return what was asked for. The text says why, as kubectl words it."""


@dataclass(frozen=True)
class Served:
    """A resource type that the API server serves, and what kubectl calls it."""

    resource: Resource
    group: str
    names: frozenset[str]
    """In lower case."""

    def is_named(self, name: str) -> bool:
        """Whether a name is one of its names, with or without its group."""
        short, _, group = name.lower().partition(".")
        return short in self.names and (not group or group == self.group)


class Reader:
    """Reads with one person's credentials."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._served: tuple[Served, ...] = ()

    def get(self, kind: str, name: str, namespace: str) -> Json:
        """Return an object; of the namespace ``default`` if none is named. Raises ReadError."""
        return _without_managed_fields(self._read(self._resource(kind).path(name, namespace or "default")))

    def list(self, kinds: str, namespace: str, selector: str) -> list[Json]:
        """Return the objects of one or more kinds, of all namespaces if none is named. Raises ReadError.

        ``kinds``: separated by commas.
        """
        return [found for kind in kinds.split(",") for found in self._list(kind, namespace, selector)]

    def _list(self, kind: str, namespace: str, selector: str) -> Iterator[Json]:
        resource = self._resource(kind)
        found = self._read(f"{resource.path(namespace=namespace)}?{urlencode({'labelSelector': selector})}")
        for item in found["items"]:
            # The API server names their kind only once, in the list.
            yield resource.header | _without_managed_fields(item)

    @cached_property
    def _client(self) -> Any:
        return config.new_client_from_config(str(self._kubeconfig))  # type: ignore[no-untyped-call]

    def _resource(self, kind: str) -> Resource:
        """Return what a name stands for; if it is unknown, discover again first, as its CRD may be new."""
        found = self._find(kind)
        if not found:
            self._served = self._discover()
            found = self._find(kind)
        if not found:
            raise ReadError(f'error: the server doesn\'t have a resource type "{kind}"')
        return found

    def _find(self, kind: str) -> Resource | None:
        return next((each.resource for each in self._served if each.is_named(kind)), None)

    def _discover(self) -> tuple[Served, ...]:
        groups = [group for path in ("/api", "/apis") for group in self._read(path, accept=DISCOVERY)["items"]]
        return tuple(served for group in groups for served in _served_by(group))

    def _read(self, path: str, accept: str = JSON) -> Json:
        try:
            url = f"{self._client.configuration.host}{path}"
            answer = self._client.call_api("GET", url, {"Accept": accept}, _request_timeout=TIMEOUT_SECONDS)
            found: Json = json.loads(answer.read())
        except (urllib3.exceptions.HTTPError, config.ConfigException) as error:
            raise ReadError(f"the API server could not be asked: {error}") from error
        except RecursionError as error:
            raise ReadError(f"{path} nests deeper than Python can parse: read it with kubectl -o jsonpath") from error
        except ValueError as error:
            # Only an unknown path is answered in plain text: a version that is no longer served.
            self._served = ()
            raise ReadError(f"Error from server (NotFound): nothing is served at {path}") from error
        if answer.status != HTTPStatus.OK:
            raise ReadError(f"Error from server ({found.get('reason', answer.status)}): {found.get('message', '')}")
        return found


def _served_by(group: Json) -> Iterator[Served]:
    """Yield the resource types of a group, those of the preferred version first."""
    name = group["metadata"].get("name", "")
    for version in group["versions"]:
        api_version = f"{name}/{version['version']}" if name else version["version"]
        for found in version.get("resources", ()):
            kind = found["responseKind"]["kind"]
            resource = Resource(api_version, found["resource"], kind, namespaced=found["scope"] == "Namespaced")
            terms = {found["resource"], found.get("singularResource", ""), kind.lower(), *found.get("shortNames", ())}
            yield Served(resource, name, frozenset(terms))


def _without_managed_fields(obj: Json) -> Json:
    obj["metadata"].pop("managedFields", None)
    return obj
