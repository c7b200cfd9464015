"""How the injector answers and logs requests, which any pod may send."""

import asyncio
import copy
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pythonjsonlogger.json import JsonFormatter

from sovereign_operator.core.sidecar.injection import SidecarSettings
from sovereign_operator.core.sidecar.namespace_facts import NO_NAMESPACE_FACTS, NamespaceFacts
from sovereign_operator.injector.server import Hook
from sovereign_operator.injector.settings import Settings
from sovereign_operator.runtime.listening import answering
from sovereign_operator.runtime.replica import Replica
from tests.unit.injector.reviews import POD, Json, review_of

REPLICA = Replica("sovereign-system", "injector-1", frozenset({"kube-system"}), 15, 0, "info")
SIDECAR = SidecarSettings("sidecar:1", "IfNotPresent", {"requests": {"cpu": "20m"}}, by_token=True)
SETTINGS = Settings(REPLICA, 0, SIDECAR)
HOST_NETWORK: Json = {"metadata": {"name": "payroll-7d9f"}, "spec": POD["spec"] | {"hostNetwork": True}}


class Observed:
    """A cluster in which each namespace enforces a policy that encrypts."""

    complete = True

    def enforced(self, _: str) -> str:
        return "hds"

    async def until_ready(self, _policy: str, _namespace: str, *, by_token: bool) -> None:
        assert by_token

    def namespace_facts(self, _: str) -> NamespaceFacts:
        return NO_NAMESPACE_FACTS

    def needs_sidecar(self, policy: str) -> bool:
        return {"hds": True}.get(policy, False)


class Unobserved(Observed):
    """A cluster whose namespaces are not observed yet."""

    def enforced(self, namespace: str) -> None:  # type: ignore[override]
        assert {namespace: ""}

    async def until_enforced(self, _: str) -> None:
        return


Ask = Callable[[Any], Awaitable[int]]


async def _ask_from(address: str, url: str, do: Callable[[Ask], Awaitable[None]]) -> None:
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(review: Any) -> int:
            async with session.post(url, json=review) as answer:
                return answer.status

        await do(ask)


def with_injector(do: Callable[[Ask], Awaitable[None]], view: Observed, *addresses: str) -> None:
    """Send reviews to an injector from each of these addresses."""

    async def main() -> None:
        application = web.Application()
        application.router.add_post("/inject", Hook(view, SETTINGS).inject)  # type: ignore[arg-type]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/inject"
            async with answering(application, listener, None):
                for address in addresses or ("127.0.0.1",):
                    await _ask_from(address, url, do)

    asyncio.run(main())


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def refusals(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if "refused pod" in record.getMessage()]


def test_a_refusal_is_logged_with_the_clients_address(log: pytest.LogCaptureFixture) -> None:
    """Any pod may send a review of a pod that does not exist."""

    async def do(ask: Ask) -> None:
        assert await ask(review_of(HOST_NETWORK, namespace="tenant-a")) == 200

    with_injector(do, Observed(), "127.0.0.7")
    assert refusals(log) == ["refused pod tenant-a/payroll-7d9f, in a review from 127.0.0.7: policy hds encrypts"]


def test_long_names_and_many_refusals_do_not_fill_the_log(log: pytest.LogCaptureFixture) -> None:
    long: Json = HOST_NETWORK | {"metadata": {"name": "x" * 50_000}}

    async def do(ask: Ask) -> None:
        for _ in range(200):
            assert await ask(review_of(long, namespace="y" * 50_000)) == 200

    with_injector(do, Observed(), "127.0.0.7", "127.0.0.8")
    written = JsonFormatter()
    assert sum(len(written.format(record)) for record in log.records) < 50_000
    # A client that floods the log hides no refusal of another.
    for address in ("127.0.0.7", "127.0.0.8"):
        assert any(address in refusal for refusal in refusals(log))


def test_refusals_in_one_namespace_hide_none_in_another(log: pytest.LogCaptureFixture) -> None:
    """An API server sends the reviews of all namespaces from one address."""

    async def do(ask: Ask) -> None:
        for _ in range(50):
            assert await ask(review_of(HOST_NETWORK, namespace="loops")) == 200
        assert await ask(review_of(HOST_NETWORK, namespace="tenant-a")) == 200

    with_injector(do, Observed())
    refused = refusals(log)
    assert sum("loops/" in refusal for refusal in refused) == 10
    assert sum("tenant-a/" in refusal for refusal in refused) == 1


WHOLE: Json = review_of(
    {
        "metadata": {
            "name": "app",
            "generateName": "app-",
            "labels": {"sovereignty.dev/policy": "hds"},
            "annotations": {"kubernetes.io/config.mirror": "x", "backup.velero.io/backup-volumes-excludes": "a"},
        },
        "spec": {
            "nodeName": "n-1",
            "restartPolicy": "Always",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "os": {"name": "linux"},
            "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
            "volumes": [{"name": "data", "emptyDir": {}}],
            "initContainers": [{"name": "restore-wait", "volumeMounts": [{"name": "a", "mountPath": "/restores/a"}]}],
            "containers": [
                {
                    "name": "app",
                    "ports": [{"name": "web", "containerPort": 80}],
                    "livenessProbe": {"httpGet": {"port": "web", "path": "/", "httpHeaders": [{"name": "a"}]}},
                    "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
                }
            ],
        },
    },
    subResource="",
)
ODD: list[Any] = [
    None,
    False,
    True,
    0,
    1e999,
    "",
    "x",
    "\ud800",
    "1e40",
    [],
    [0],
    [[]],
    [""],
    {},
    {"x": 0},
    {"name": []},
]


def variants(value: Any) -> Iterator[Any]:
    """Yield a value with each of its parts, and itself, replaced by each odd value."""
    yield from ODD
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        for changed in variants(part):
            made = copy.copy(value)
            made[key] = changed
            yield made


@pytest.mark.parametrize("view", [Observed(), Unobserved()], ids=["observed", "new"])
def test_no_odd_value_in_a_review_causes_an_error(log: pytest.LogCaptureFixture, view: Observed) -> None:
    async def do(ask: Ask) -> None:
        answers = [(await ask(review), review) for review in variants(WHOLE)]
        assert not [review for status, review in answers if status not in {200, 400}]

    with_injector(do, view)
    assert not [record for record in log.records if record.exc_info]
