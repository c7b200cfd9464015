"""If a user fills objects of the operator's kinds, kopf keeps no more of them in memory than decisions need."""

import asyncio
import json
import logging
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from kopf._cogs.clients import auth, errors, fetching, watching
from kopf._cogs.structs.credentials import AiohttpSession, Vault
from kopf._cogs.structs.references import Resource

from sovereign_operator.controller.keys import SovereignWorkloadKey
from sovereign_operator.controller.observed.kopf_session import session_of
from sovereign_operator.controller.observed.kopf_trim import trim
from sovereign_operator.controller.observed.kopf_watch import settings
from sovereign_operator.controller.reconcile.workload import _read_whole
from sovereign_operator.kube.client.paging import PAGE
from tests.unit import states
from tests.unit.servers import api_of, serving

MIB = 2**20
WORKLOADS = Resource("sovereignty.dev", "v1alpha1", "sovereignworkloads", kind="SovereignWorkload", namespaced=True)
PATH = "/apis/sovereignty.dev/v1alpha1/sovereignworkloads"
LOGGER = logging.getLogger(__name__)

TEMPLATE = {"kind": "Deployment", "metadata": {}, "spec": {"replicas": 1}}
SPEC = {"policyRef": {"name": "hds"}, "template": TEMPLATE}
STATUS = {"policy": "hds", "conditions": [{"type": "Ready", "status": "True"}]}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Make = Callable[[int], str]
"""The JSON of an object, by its number."""


def workload(number: object, **metadata: Any) -> dict[str, Any]:
    identity = {"name": f"w-{number}", "namespace": "shop", "uid": f"uid-{number}", "resourceVersion": str(number)}
    times = {"generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereignWorkload",
        "metadata": identity | times | metadata,
        "spec": SPEC,
        "status": STATUS,
    }


def with_template(content: Any) -> dict[str, Any]:
    return SPEC | {"template": TEMPLATE | {"spec": {"a": content}}}


LARGE: dict[str, dict[str, Any]] = {
    # One character beyond U+FFFF makes Python use four bytes for each character of the string.
    "long": {"spec": with_template("\U0001f512" + "a" * MIB)},
    "many objects": {"spec": with_template([{}] * 300_000)},
    "crowded": {"labels": {f"a-{key}": "" for key in range(40_000)}},
    "written often": {"managedFields": [{"fieldsV1": {f"f:a-{key}": {} for key in range(60_000)}}]},
}


def large(what: str) -> Make:
    """Return a function that makes objects of about the largest size that etcd accepts."""
    content = LARGE[what]
    spec = {"spec": content["spec"]} if "spec" in content else {}
    text = json.dumps(workload("NUMBER", **{part: value for part, value in content.items() if part != "spec"}) | spec)
    return lambda number: text.replace("NUMBER", str(number))


def small(number: int) -> str:
    return json.dumps(workload(number))


@asynccontextmanager
async def kopf_asking(answer: Answer) -> AsyncIterator[None]:
    """Point kopf at a server, with the controller's session."""
    async with serving(web.get(PATH, answer)) as server, session_of() as session:
        auth.vault_var.set(Vault({"test": AiohttpSession(server=server, aiohttp_session=session)}))
        yield


def page(make: Make, number: int, asked: list[tuple[int, int]]) -> Answer:
    """Return a handler that lists this number of objects, in pages."""

    async def answer(request: web.Request) -> web.StreamResponse:
        begin, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        end = min(begin + limit, number)
        asked.append((begin, limit))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        metadata = {"resourceVersion": "700"} | ({"continue": str(end)} if end < number else {})
        await response.write(f'{{"kind":"SovereignWorkloadList","metadata":{json.dumps(metadata)},"items":['.encode())
        for position in range(begin, end):
            await response.write((b"," if position > begin else b"") + make(position).encode())
        await response.write(b"]}")
        return response

    return answer


async def listed(answer: Answer) -> list[Any]:
    """Collect all objects that kopf lists, because its workers may hold them until the list is complete."""
    async with kopf_asking(answer):
        pages = fetching.fetch_objs(settings=settings(), resource=WORKLOADS, namespace=None, logger=LOGGER)
        return [obj async for found, _ in pages for obj in found]


async def watched(lines: AsyncIterator[bytes]) -> list[Any]:
    """Collect all events that kopf receives, because its workers may be slow."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async for line in lines:
            await response.write(line + b"\n")
        return response

    async with kopf_asking(answer):
        never: asyncio.Future[None] = asyncio.Future()
        events = watching.watch_objs(
            settings=settings(), resource=WORKLOADS, namespace=None, since="7", operator_pause_waiter=never
        )
        return [event async for event in events]


def peak(run: Awaitable[list[Any]]) -> tuple[list[Any], int]:
    """Return the result, and the most memory that it took."""

    async def measured() -> tuple[list[Any], int]:
        tracemalloc.start()
        try:
            return await run, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return asyncio.run(measured())


def test_kopf_gets_what_decisions_need() -> None:
    (obj,) = asyncio.run(listed(page(small, 1, [])))
    emptied = SPEC | {"template": {"kind": "Deployment", "spec": {}}}
    assert obj == workload(0) | {"spec": emptied}


def some(what: str) -> int:
    """Return how many objects are enough to show a leak. Long objects are the quickest to make."""
    return 100 if what == "long" else 12


def test_kopf_learns_of_failures_and_of_groups_and_labels() -> None:
    gone = {"kind": "Status", "code": 410, "message": "too old"}
    assert trim(gone) == gone
    metadata = {"name": "a", "labels": {"a": "b"}, "annotations": {"c": "d"}}
    assert trim({"metadata": metadata, "spec": {}, "status": {}}, "Namespace") == {
        "metadata": {"name": "a", "labels": {"a": "b"}}
    }
    crd = {"kind": "CustomResourceDefinition", "metadata": metadata, "spec": {"group": "g", "versions": []}}
    assert trim(crd) == {"kind": crd["kind"], "metadata": {"name": "a"}, "spec": {"group": "g"}}


@pytest.mark.parametrize("what", LARGE)
def test_lists_of_large_objects_take_little_memory(what: str) -> None:
    found, most = peak(listed(page(large(what), some(what), [])))
    assert [obj["metadata"]["name"] for obj in found] == [f"w-{number}" for number in range(some(what))]
    assert most < 100 * MIB


@pytest.mark.parametrize("what", LARGE)
def test_changes_of_large_objects_take_little_memory(what: str) -> None:
    make = large(what)

    async def lines() -> AsyncIterator[bytes]:
        for number in range(some(what)):
            yield f'{{"type":"MODIFIED","object":{make(number)}}}'.encode()

    found, most = peak(watched(lines()))
    assert [event["object"]["metadata"]["resourceVersion"] for event in found] == [str(n) for n in range(some(what))]
    assert most < 100 * MIB


def test_small_objects_come_a_hundred_at_a_time() -> None:
    asked: list[tuple[int, int]] = []
    assert len(asyncio.run(listed(page(small, 250, asked)))) == 250
    assert asked == [(0, PAGE), (100, PAGE), (200, PAGE)]


def test_a_list_that_took_too_long_ends_kopf() -> None:
    """If kopf listed again, objects deleted since the first page would stay in memory."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query:
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
            return web.json_response(status, status=410)
        return await page(small, 250, [])(request)

    with pytest.raises(errors.APIClientError, match="too old"):
        asyncio.run(listed(answer))


@pytest.mark.parametrize(("uid", "there"), [("uid-0", True), ("uid-of-a-former-one", False)])
def test_a_template_is_read_where_it_is_needed(uid: str, *, there: bool) -> None:
    live = workload(0, annotations={"a": "b"})

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(live)

    async def run() -> Any:
        path = f"{PATH.removesuffix(WORKLOADS.plural)}namespaces/shop/{WORKLOADS.plural}/w-0"
        async with api_of(web.get(path, answer)) as api:
            state = states.controller({})
            state.api = api
            held = {"metadata": live["metadata"] | {"uid": uid}}
            return await _read_whole(state, SovereignWorkloadKey("shop", "w-0"), held)

    whole = asyncio.run(run())
    assert (whole is not None) is there
    if whole:
        obj, (spec, problem) = whole
        assert (obj, problem) == (trim(live), "")
        assert spec.template.spec == TEMPLATE["spec"]
