"""Replicas of the injector that keep one certificate between them, without leader and without a quarrel."""

import asyncio
import base64
import copy
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovereign_operator.injector import tls
from sovereign_operator.injector.tls import SECRET, WEBHOOKS, Identity, Keep, decode, encode
from sovereign_operator.kube.errors import ConflictError, NotFoundError
from sovereign_operator.kube.resource import Resource
from sovereign_operator.pki import certificates
from sovereign_operator.pki.serving import LIFETIME, Serving
from tests.certificates import NOW
from tests.unit import virtual_time

Json = dict[str, Any]


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


class Server:
    """An API server with two objects. Each request takes as long as it is told, and replicas overtake each other."""

    def __init__(self, delays: list[int]) -> None:
        self.clock = Clock()
        self.objects: dict[str, Json] = {
            "secrets": {"metadata": {"resourceVersion": "1"}},
            "mutatingwebhookconfigurations": {
                "metadata": {"resourceVersion": "1"},
                "webhooks": [{"name": name, "clientConfig": {"service": {}}} for name in ("a", "b")],
            },
        }
        self.writes: list[str] = []
        self._delays = delays

    async def _pass(self) -> None:
        if self._delays:
            await asyncio.sleep(self._delays.pop())

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Json:
        assert (name, namespace) in {(SECRET, "ns"), (WEBHOOKS, None)}
        await self._pass()
        if resource.plural not in self.objects:
            raise NotFoundError(404, "gone")
        found = copy.deepcopy(self.objects[resource.plural])
        await self._pass()
        return found

    async def patch(
        self, resource: Resource, name: str, body: Any, *, content_type: str, namespace: str | None = None
    ) -> Json:
        del name, content_type, namespace
        await self._pass()
        obj = self.objects[resource.plural]
        version = body["metadata"]["resourceVersion"] if isinstance(body, dict) else body[0]["value"]
        if version != obj["metadata"]["resourceVersion"]:
            raise ConflictError(409, "somebody else was first")
        if isinstance(body, dict):
            obj["data"] = body["data"]
        for operation in body[1:] if isinstance(body, list) else ():
            _, _, position, *_ = operation["path"].split("/")
            obj["webhooks"][int(position)]["clientConfig"]["caBundle"] = operation["value"]
        obj["metadata"]["resourceVersion"] = str(int(version) + 1)
        self.writes.append(resource.plural)
        return obj

    def held(self) -> Serving:
        found = decode(self.objects["secrets"]["data"])
        assert found
        return found

    def trusted(self) -> set[str]:
        """Return whom all webhooks trust."""
        bundles = [
            base64.b64decode(webhook["clientConfig"].get("caBundle", ""))
            for webhook in self.objects["mutatingwebhookconfigurations"]["webhooks"]
        ]
        return set.intersection(
            *(
                {certificates.fingerprint(each) for each in certificates.read(bundle)} if bundle else set()
                for bundle in bundles
            )
        )


class Replica:
    """One replica, and what it serves with."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.identity = Identity(server, "ns")  # type: ignore[arg-type]
        self.served: Serving | None = None

    def load(self, _: object, serving: Serving) -> None:
        """See that the API server trusts what is served from now on."""
        assert certificates.fingerprint(serving.authorities[0]) in self._server.trusted()
        self.served = serving

    async def run(self) -> None:
        for _ in range(12):
            try:
                delay = await self.identity.keep(Keep())
            except NotFoundError:
                delay = 1
            await asyncio.sleep(delay)
            if self.served and self.served.certificate.not_valid_after_utc > self._server.clock.now():
                # A predecessor is trusted for as long as it is served, or until it has ended.
                assert certificates.fingerprint(self.served.authorities[0]) in self._server.trusted()


def run(server: Server, *, later: timedelta = timedelta()) -> None:
    """Run two replicas for a while, with a jump in time in the middle."""

    async def work() -> None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            replicas = [Replica(server) for _ in range(2)]
            monkeypatch.setattr(tls, "load", lambda context, serving: of(replicas, context).load(context, serving))
            for pause in (timedelta(), later):
                server.clock.time += pause
                await asyncio.gather(*(replica.run() for replica in replicas))
            assert all(replica.served == server.held() for replica in replicas)
            assert all(replica.identity.ready for replica in replicas)

    virtual_time.run(work())


def of(replicas: list[Replica], context: object) -> Replica:
    (found,) = [replica for replica in replicas if replica.identity.context is context]
    return found


DELAYS = st.lists(st.integers(0, 3), max_size=60)


@settings(max_examples=25)
@given(DELAYS)
def test_replicas_agree_whoever_is_first(delays: list[int]) -> None:
    server = Server(delays)
    run(server)
    assert server.writes == ["secrets", "mutatingwebhookconfigurations"]


@settings(max_examples=25)
@given(DELAYS)
def test_a_certificate_that_is_due_is_renewed_once(delays: list[int]) -> None:
    server = Server(delays)
    run(server, later=LIFETIME * 0.7)
    assert server.writes == ["secrets", "mutatingwebhookconfigurations"] * 2
    assert len(server.held().authorities) == 2


def test_what_has_ended_is_trusted_no_more_after_the_next_renewal() -> None:
    server = Server([])
    run(server, later=LIFETIME)
    assert len(server.held().authorities) == 1


@pytest.mark.parametrize("data", [{}, {"tls.crt": "eA==", "tls.key": "", "ca.crt": ""}, {"tls.crt": "?"}])
def test_a_secret_of_no_use_is_written_anew(data: Json) -> None:
    server = Server([])
    server.objects["secrets"]["data"] = data
    run(server)
    assert server.trusted() == {certificates.fingerprint(server.held().authorities[0])}


def test_without_a_configuration_nothing_is_served() -> None:
    server = Server([])
    del server.objects["mutatingwebhookconfigurations"]

    async def work() -> None:
        identity = Identity(server, "ns")  # type: ignore[arg-type]
        await identity.keep(Keep())
        with pytest.raises(NotFoundError):
            await identity.keep(Keep())
        assert not identity.ready

    virtual_time.run(work())


def test_a_key_never_shows_in_a_log() -> None:
    assert "PRIVATE" not in repr(decode(encode(Serving.make(("a",), NOW))))
