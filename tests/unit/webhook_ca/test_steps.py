"""The Jobs that make the API server trust the injector, whatever exists already and whatever else writes meanwhile."""

import asyncio
import base64
import copy
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from sovereign_operator.core import names
from sovereign_operator.kube.client.errors import ApiError, ConflictError, NotFoundError
from sovereign_operator.kube.client.resource import CONFIG_MAPS, MUTATING_WEBHOOKS, SECRETS, Resource
from sovereign_operator.pki import certificates
from sovereign_operator.pki.authority import Authority
from sovereign_operator.pki.serving import Serving, make_authority
from sovereign_operator.webhook_ca.steps import FORMER_SECRET, OVERLAP, Steps, UnusableError
from tests.certificates import DAY, NOW

Json = dict[str, Any]

CA = (SECRETS.plural, names.INJECTOR_CA)
PUBLISHED = (CONFIG_MAPS.plural, names.INJECTOR_CA)
WEBHOOKS = (MUTATING_WEBHOOKS.plural, names.INJECTOR)
FORMER = (SECRETS.plural, FORMER_SECRET)


class Clock:
    time = NOW

    def now(self) -> datetime:
        return self.time


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Server:
    """An API server with the objects that the Jobs may write. It checks that no authority is used before webhooks trust
    it.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.objects: dict[tuple[str, str], Json] = {}
        self.refuses: list[str] = []
        """Plurals whose next write is refused, as if another client had written first."""

    def install(self, *trusted: x509.Certificate) -> None:
        client: Json = {"service": {}} | ({"caBundle": encode(certificates.write(trusted))} if trusted else {})
        webhooks = [{"name": name, "clientConfig": dict(client)} for name in ("a", "b")]
        self.objects[WEBHOOKS] = {"metadata": {"resourceVersion": "1"}, "webhooks": webhooks}

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Json:
        assert (namespace is None) == (resource is MUTATING_WEBHOOKS)
        if (resource.plural, name) not in self.objects:
            raise NotFoundError(404, name)
        return copy.deepcopy(self.objects[resource.plural, name])

    def _refuse(self, plural: str) -> None:
        if plural in self.refuses:
            self.refuses.remove(plural)
            raise ConflictError(409, "somebody else was first")

    async def apply(self, resource: Resource, body: Json) -> None:
        self._refuse(resource.plural)
        assert (resource.plural, body["metadata"]["name"]) == PUBLISHED
        self.objects[PUBLISHED] = body

    async def request(self, method: str, path: str, body: Json, *, query: Json, content_type: str) -> None:
        assert (method, path, content_type) == (
            "PATCH",
            f"/api/v1/namespaces/ns/secrets/{names.INJECTOR_CA}",
            "application/apply-patch+yaml",
        )
        assert query == {"fieldManager": "job-1"}, "with force it would replace what another Job has made"
        self._refuse("secrets")
        assert body["type"] == "kubernetes.io/tls"
        assert "annotations" not in body["metadata"]
        if WEBHOOKS in self.objects:
            assert read(body["data"]) in self.trusted(), "it is trusted before it is used"
        self.objects[CA] = body

    async def patch(
        self, resource: Resource, name: str, body: Any, *, content_type: str, namespace: str | None = None
    ) -> None:
        del content_type, namespace
        self._refuse(resource.plural)
        obj = self.objects[resource.plural, name]
        version = body[0]["value"] if isinstance(body, list) else body["metadata"]["resourceVersion"]
        assert version == obj["metadata"]["resourceVersion"]
        if isinstance(body, list):
            for operation in body[1:]:
                _, _, position, *_ = operation["path"].split("/")
                obj["webhooks"][int(position)]["clientConfig"]["caBundle"] = operation["value"]
        else:
            obj["data"] = body["data"]
        if PUBLISHED in self.objects:
            assert set(self.trusted()) <= set(self.published()), "whatever is trusted is published"

    def trusted(self) -> list[x509.Certificate]:
        """Return the authorities that all webhooks trust."""
        one, other = (webhook["clientConfig"].get("caBundle", "") for webhook in self.objects[WEBHOOKS]["webhooks"])
        assert one == other
        return list(certificates.read(base64.b64decode(one))) if one else []

    def published(self) -> list[x509.Certificate]:
        return list(certificates.read(self.objects[PUBLISHED]["data"][names.CA_BUNDLE].encode()))

    def authority(self) -> x509.Certificate:
        return read(self.objects[CA]["data"])


def read(data: Json) -> x509.Certificate:
    return Authority.read(base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"])).certificate


def do(server: Server, step: str, attempts: int = 1) -> None:
    """Run a step, and again after a conflict."""
    steps = Steps(server, "ns", "job-1")  # type: ignore[arg-type]
    for attempt in range(attempts):
        try:
            asyncio.run(getattr(steps, step)())
        except ApiError:
            if attempt == attempts - 1:
                raise
        else:
            return


def upgrade(server: Server) -> None:
    """Run the steps of an upgrade."""
    do(server, "create")
    do(server, "trust")


@pytest.fixture
def server() -> Server:
    return Server()


def test_before_an_installation_there_is_an_authority_and_after_it_it_is_trusted(server: Server) -> None:
    do(server, "create")
    made = server.authority()
    assert server.published() == [made]
    constraints = certificates.find(made, x509.NameConstraints)
    assert constraints
    assert [name.value for name in constraints.permitted_subtrees or ()] == list(names.injector_hosts("ns"))
    server.install()
    do(server, "trust")
    assert server.trusted() == server.published() == [made]


def test_what_is_there_stays(server: Server) -> None:
    do(server, "create")
    server.install()
    do(server, "trust")
    before = copy.deepcopy(server.objects)
    server.refuses = ["mutatingwebhookconfigurations", "secrets"]
    upgrade(server)
    assert server.objects == before


def test_trust_that_somebody_changed_comes_back(server: Server) -> None:
    do(server, "create")
    for changed in ((), (make_authority(("x",), NOW).certificate,)):
        server.install(*changed)
        do(server, "trust")
        assert server.trusted() == server.published() == [server.authority()]


@pytest.mark.parametrize("refused", ["secrets", "mutatingwebhookconfigurations", "configmaps"])
def test_the_second_of_two_writers_looks_again(server: Server, refused: str) -> None:
    server.install()
    server.refuses = [refused]
    do(server, "create", attempts=2)
    do(server, "trust")
    assert server.authority() in server.trusted()


def test_before_there_is_anything_to_trust_it_is_too_early(server: Server) -> None:
    with pytest.raises(NotFoundError):
        do(server, "trust")
    do(server, "create")
    with pytest.raises(NotFoundError):
        do(server, "trust")


def test_an_authority_that_takes_anothers_place_is_trusted_beside_it_for_a_time(server: Server) -> None:
    server.install()
    upgrade(server)
    first = server.authority()
    del server.objects[CA]
    server.clock.time = NOW + 30 * DAY
    upgrade(server)
    second = server.authority()
    assert server.trusted() == server.published() == [second, first]
    server.clock.time += OVERLAP - timedelta(minutes=1)
    upgrade(server)
    assert server.trusted() == [second, first]
    server.clock.time += timedelta(minutes=1)
    upgrade(server)
    assert server.trusted() == server.published() == [second]


def test_injectors_of_a_former_version_serve_by_the_authority_and_keep_it_trusted(server: Server) -> None:
    """They use their own Secret, and make the webhooks trust exactly the authorities in it."""
    former = make_authority(names.injector_hosts("ns"), NOW - DAY)
    server.install(former.certificate)
    server.objects[FORMER] = {"metadata": {"resourceVersion": "7"}, "data": {"ca.crt": encode(former.certificate_pem)}}
    do(server, "create")
    data = {key: base64.b64decode(value) for key, value in server.objects[FORMER]["data"].items()}
    assert list(certificates.read(data["ca.crt"])) == server.trusted() == [server.authority(), former.certificate]
    serving = Serving.read(data["tls.crt"], data["tls.key"])
    serving.chain[0].verify_directly_issued_by(server.authority())
    alternatives = certificates.find(serving.chain[0], x509.SubjectAlternativeName)
    assert alternatives
    assert set(alternatives.get_values_for_type(x509.DNSName)) == set(names.injector_hosts("ns"))


@pytest.mark.parametrize("data", [{}, {"tls.crt": "eA==", "tls.key": ""}, {"tls.crt": "?"}])
def test_an_authority_of_no_use_is_never_overwritten(server: Server, data: Json) -> None:
    server.objects[CA] = {"data": data}
    server.install()
    for step in ("create", "trust"):
        with pytest.raises(UnusableError, match="Delete it"):
            do(server, step)
    assert server.objects[CA] == {"data": data}


def test_one_that_has_ended_is_named(server: Server) -> None:
    do(server, "create")
    server.clock.time = server.authority().not_valid_after_utc
    with pytest.raises(UnusableError, match="ended"):
        do(server, "create")
