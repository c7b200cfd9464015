"""Requests to the API server, with objects as plain JSON. Every process of the operator uses this client.

The generated client converts each object into classes and back, and drops fields that it does not know. This module
uses only its connection, credentials and TLS.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from sovereign_operator.core.bounded_json import read_json
from sovereign_operator.core.names import FIELD_MANAGER
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.errors import NotFoundError, UnavailableError, from_status
from sovereign_operator.kube.client.paging import PageSize, TooLongError, read_answer
from sovereign_operator.kube.client.resource import Resource

Json = dict[str, Any]

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"

WHOLE: Final = "application/json"
METADATA: Final = f"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{WHOLE}"
"""Of the object that would be returned, its metadata alone: a node has 15 kB and more, most of it in its status."""

REQUEST_SECONDS: Final = 30
WATCH_SECONDS: Final = 280
"""The API server ends a watch after this time. The mirror then starts another at the last resourceVersion."""
SILENCE_SECONDS: Final = 120
"""A watch that receives nothing for this long is ended, as its connection may be dead. Most API servers send a bookmark
about every minute. One of Kubernetes 1.33 sends none before the first change of a collection, unless its etcd reports
progress (--experimental-watch-progress-notify-interval)."""


async def connect(kubeconfig: Path | None = None) -> client.ApiClient:
    """Return a client for the cluster of a kubeconfig, by default for the cluster in which this process runs."""
    # Otherwise aiohttp looks for a proxy and a ``.netrc`` in a thread of its own at each request.
    configuration = client.Configuration(client_session_kwargs={"trust_env": False})
    if kubeconfig:
        await config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    return client.ApiClient(configuration)


class Api:
    """Reads and writes objects as JSON. Every response sets the clock.

    All methods raise ApiError; a docstring names a subclass where callers usually handle it.
    """

    def __init__(self, api_client: client.ApiClient, clock: ServerClock) -> None:
        self._client = api_client
        self.clock = clock
        self._paging = asyncio.Lock()
        """Only one page is read at a time, to limit memory: a process that starts lists all that it watches."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Json:
        """Return an object. Raises NotFoundError."""
        return await self.request("GET", resource.path(name, namespace))

    async def metadata(self, resource: Resource, name: str, namespace: str | None = None) -> Json:
        """Return the metadata of an object. Raises NotFoundError."""
        found: Json = (await self.request("GET", resource.path(name, namespace), accept=METADATA))["metadata"]
        return found

    async def lasting(self, resource: Resource, name: str, namespace: str | None = None) -> Json | None:
        """Return an object; None if it does not exist or is being deleted."""
        try:
            found = await self.get(resource, name, namespace)
        except NotFoundError:
            return None
        return None if "deletionTimestamp" in found["metadata"] else found

    async def pages(
        self, resource: Resource, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[tuple[list[Json], str]]:
        """Yield all objects, a page at a time, each page with the resourceVersion from which to watch after the last.

        A page is emptied once the next one is requested. Objects may have more than a megabyte each: the larger they
        are, the fewer a page holds, down to a single object of any size.
        """
        query: dict[str, Any] = {"labelSelector": label_selector, "fieldSelector": field_selector}
        path, size = resource.path(namespace=namespace), PageSize()
        while True:
            async with self._paging:
                try:
                    limited = query | {"limit": size.objects}
                    page, read = await self._request("GET", path, query=limited, longest=size.longest)
                except TooLongError:
                    size.shrink()
                    continue
            size.grow(read)
            query["continue"] = page["metadata"].get("continue", "")
            items = page["items"]
            yield items, page["metadata"]["resourceVersion"]
            items.clear()
            if not query["continue"]:
                return

    async def create(self, resource: Resource, body: Json, namespace: str | None = None) -> Json:
        """Create an object. Raises ConflictError if it exists."""
        return await self.request("POST", resource.path(namespace=namespace), body=body)

    async def apply(
        self, resource: Resource, body: Json, subresource: str | None = None, *, dry_run: bool = False
    ) -> Json:
        """Apply an object (server-side apply) as the operator's field manager, and return its metadata, as an object.

        The apply is forced: it takes over fields of other managers. If the metadata has a uid or resourceVersion that
        the object no longer has, raises ConflictError. A dry run returns the whole object that would result.
        """
        metadata = body["metadata"]
        path = resource.path(metadata["name"], metadata.get("namespace"), subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        accept = WHOLE if dry_run else METADATA
        return await self.request("PATCH", path, query=query, body=body, content_type=APPLY, accept=accept)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Any,
        *,
        content_type: str,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Json:
        """Patch an object, and return its metadata, as an object. ``content_type`` is MERGE or JSON_PATCH."""
        path = resource.path(name, namespace, subresource)
        query = {"fieldManager": FIELD_MANAGER}
        return await self.request("PATCH", path, query=query, body=body, content_type=content_type, accept=METADATA)

    async def delete(self, resource: Resource, name: str, uid: str, namespace: str | None = None) -> Json:
        """Delete an object with this uid. Raises ConflictError if it has another."""
        return await self.request("DELETE", resource.path(name, namespace), body={"preconditions": {"uid": uid}})

    async def watch(
        self,
        resource: Resource,
        version: str,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[tuple[str, Json]]:
        """Yield (type, object) for each event after a resourceVersion, bookmarks included.

        Returns when the server ends the watch, or has sent nothing for SILENCE_SECONDS. Raises GoneError if the server
        no longer has the resourceVersion.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": WATCH_SECONDS,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=SILENCE_SECONDS)
        response = await self._send("GET", resource.path(namespace=namespace), query=query, timeout=timeout)
        try:
            async for line in lines(response.content):
                event = read_json(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise from_status(status.get("code", 0), status.get("message", "watch failed"))
                # The next event may take long; until then, keep no memory for this one.
                del line
                yield event["type"], event.pop("object")
        except TimeoutError:
            # Nothing happened, or the connection is dead: the next request tells.
            return
        except (aiohttp.ClientError, ValueError) as error:
            raise UnavailableError(0, f"the watch of {resource.plural} broke off: {error!r}") from error
        finally:
            response.close()

    async def reached(
        self,
        resource: Resource,
        version: str,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        """Return if the API server's store has reached a resourceVersion.

        Raises AheadError if it has not within about three seconds, as when it was restored from an older backup. An API
        server takes a watch from such a version for no error: it sends nothing until it has come that far.
        """
        query = {
            "resourceVersion": version,
            "resourceVersionMatch": "NotOlderThan",
            "labelSelector": label_selector,
            # No object can have this name: some API servers would return all others, whatever limit they are given.
            "fieldSelector": ",".join(filter(None, (field_selector, "metadata.name=-"))),
            "limit": 1,
        }
        await self.request("GET", resource.path(namespace=namespace), query=query)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = WHOLE,
    ) -> Json:
        """Send a request and return the body of the response, WHOLE or its METADATA. Raises ApiError."""
        answer, _ = await self._request(method, path, query=query, body=body, content_type=content_type, accept=accept)
        return answer

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = WHOLE,
        longest: int | None = None,
    ) -> tuple[Json, int]:
        """Send a request and return the body and its size in bytes. Raises TooLongError beyond ``longest`` bytes."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        response = await self._send(
            method, path, query=query, body=body, content_type=content_type, accept=accept, timeout=timeout
        )
        try:
            text = await read_answer(response, longest)
            return read_json(text), len(text)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UnavailableError(0, f"{method} {path} broke off: {error!r}") from error
        finally:
            # Do not wait for the rest of a response that is too long.
            response.release()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp enforces it; a watch has no total
        body: Any = None,
        content_type: str = "application/json",
        accept: str = WHOLE,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": accept, "Content-Type": content_type}
        pairs = [(key, value) for key, value in (query or {}).items() if value != ""]
        request = await self._client.param_serialize(
            method, path, query_params=pairs, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            answer = await self._client.call_api(*request, _request_timeout=timeout)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(0, f"{method} {path}: the API server does not answer: {error!r}") from error
        response: aiohttp.ClientResponse = answer.response
        self.clock.learn(response.headers.get("Date"))
        if response.ok:
            return response
        raise from_status(response.status, await _message(response))


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield complete lines, without line ends, of any length.

    aiohttp's own iterator raises an error on long lines, and a single object may be a line of 9 MB.
    """
    pieces: list[bytes] = []
    async for chunk in content.iter_any():
        end, *begins = chunk.split(b"\n")
        pieces.append(end)
        for begin in begins:
            yield b"".join(pieces)
            pieces = [begin]


async def _message(response: aiohttp.ClientResponse) -> str:
    """Return the error message of a response, whether its body is a Status, other JSON or text."""
    try:
        body = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"{response.reason}; its answer broke off: {error!r}"
    text = body.decode(errors="replace")
    try:
        status = read_json(body)
    except ValueError:
        return text[:500] or str(response.reason)
    return str(status.get("message") or text[:500]) if isinstance(status, dict) else text[:500]
