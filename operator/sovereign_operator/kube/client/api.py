"""Asking the API server, in plain JSON.

The generated client turns every object into classes and back, and drops fields that it does not
know. We keep its connection, credentials and TLS, and speak JSON over them.
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

REQUEST_SECONDS: Final = 30
WATCH_SECONDS: Final = 280
"""After this long the API server ends a watch and we begin another where it ended."""
SILENCE_SECONDS: Final = 120
"""A watch hears a bookmark about every minute; one that hears nothing for this long has stalled."""


async def connect(kubeconfig: Path | None = None) -> client.ApiClient:
    """Return a client for the cluster of a kubeconfig, by default for the one that this process runs in."""
    configuration = client.Configuration()
    if kubeconfig:
        await config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    return client.ApiClient(configuration)


class Api:
    """Reads and writes objects as JSON. Every answer tells the clock the time."""

    def __init__(self, api_client: client.ApiClient, clock: ServerClock) -> None:
        self._client = api_client
        self.clock = clock
        self._paging = asyncio.Lock()
        """Pages are read one after another, as a process that begins lists all that it watches."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Json:
        """Return an object. Raises NotFoundError."""
        return await self.request("GET", resource.path(name, namespace))

    async def lasting(self, resource: Resource, name: str, namespace: str | None = None) -> Json | None:
        """Return an object that is there to stay, or None if it is not there or being deleted."""
        try:
            found = await self.get(resource, name, namespace)
        except NotFoundError:
            return None
        return None if "deletionTimestamp" in found["metadata"] else found

    async def pages(
        self, resource: Resource, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[tuple[list[Json], str]]:
        """Yield all objects, a page at a time, each with the version from which to watch once all are read.

        A page is empty once the next one is asked for. Objects may have more than a megabyte each, so that there are
        fewer of such objects in one: in the end one alone, whatever size it has.
        """
        query: dict[str, Any] = {"labelSelector": label_selector, "fieldSelector": field_selector}
        path, size = resource.path(namespace=namespace), PageSize()
        while True:
            async with self._paging:
                try:
                    asked = query | {"limit": size.objects}
                    page, read = await self._ask("GET", path, query=asked, longest=size.longest)
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
        """Apply what we want of an object, as our one field manager, and return the whole.

        Where others own a field, ours wins. With a uid or resourceVersion in the metadata, an object
        that is another one by now raises ConflictError. A dry run returns what would come of it.
        """
        metadata = body["metadata"]
        path = resource.path(metadata["name"], metadata.get("namespace"), subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return await self.request("PATCH", path, query=query, body=body, content_type=APPLY)

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
        """Patch an object as a merge patch or a JSON patch says."""
        path = resource.path(name, namespace, subresource)
        query = {"fieldManager": FIELD_MANAGER}
        return await self.request("PATCH", path, query=query, body=body, content_type=content_type)

    async def delete(self, resource: Resource, name: str, uid: str, namespace: str | None = None) -> Json:
        """Delete an object, if it is still the one with this uid."""
        return await self.request("DELETE", resource.path(name, namespace), body={"preconditions": {"uid": uid}})

    async def watch(
        self,
        resource: Resource,
        version: str,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[tuple[str, Json]]:
        """Yield (type, object) for each change after a version, bookmarks included.

        Ends when the server ends it. Raises GoneError if the version is forgotten.
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
                # Until the next event comes, which may take long, nothing of this one is held here.
                del line
                yield event["type"], event.pop("object")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UnavailableError(0, f"the watch of {resource.plural} broke off: {error!r}") from error
        finally:
            response.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """Ask for a path and return the answer. Raises ApiError."""
        answer, _ = await self._ask(method, path, query=query, body=body, content_type=content_type)
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        body: Any = None,
        content_type: str = "application/json",
        longest: int | None = None,
    ) -> tuple[Json, int]:
        """Ask for a path and return the answer and how many bytes it had. Raises TooLongError at ``longest``."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        response = await self._send(method, path, query=query, body=body, content_type=content_type, timeout=timeout)
        try:
            text = await read_answer(response, longest)
            return read_json(text), len(text)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UnavailableError(0, f"{method} {path} broke off: {error!r}") from error
        finally:
            # What is left of an answer that is too long is not waited for.
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
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "Content-Type": content_type}
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
    """Yield whole lines of any length.

    aiohttp's own iterator raises on long ones, and one object makes a line of some 9 MB if it is written so.
    """
    pieces: list[bytes] = []
    async for chunk in content.iter_any():
        end, *begins = chunk.split(b"\n")
        pieces.append(end)
        for begin in begins:
            yield b"".join(pieces)
            pieces = [begin]


async def _message(response: aiohttp.ClientResponse) -> str:
    """Return what the server says went wrong, whatever form it has."""
    try:
        said = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"{response.reason}; its answer broke off: {error!r}"
    text = said.decode(errors="replace")
    try:
        status = read_json(said)
    except ValueError:
        return text[:500] or str(response.reason)
    return str(status.get("message") or text[:500]) if isinstance(status, dict) else text[:500]
