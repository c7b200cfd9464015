"""A signer that answers sidecars over HTTP, with an API server behind it, and pods that ask."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec

from hack.signer_requests import pkcs10
from sovereign_operator.core import names
from sovereign_operator.core.identity.trust_window import SigningTime
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.sidecar.contract import CERTIFICATE_PATH
from sovereign_operator.kube.client.api import Api
from sovereign_operator.runtime.listening import answering
from sovereign_operator.signer.state import SignerState, SigningAuthority
from sovereign_operator.signer.tokens.endpoint import Endpoint, application_of
from tests.builders import datacentre, node, policy, service
from tests.certificates import make
from tests.unit.sidecar.injected_pods import injected, pod
from tests.unit.signer.tokens.api_server import BOUND, ApiServer, Json, accepted, run, token
from tests.unit.states import NO_QUEUE, SIGNER_SETTINGS, show

NODES = ("brest-1", "brest-2")
NOW = datetime.now(UTC)
AUTHORITY = make(
    "hds",
    "brest",
    trust_domain="example.org",
    not_before=NOW - timedelta(days=1),
    not_after=NOW + timedelta(days=300),
)


class Answered(NamedTuple):
    """An answer of the signer."""

    status: int
    body: Json
    headers: dict[str, str]


@dataclass(frozen=True)
class Sidecar:
    """A pod that asks for its certificate."""

    name: str = "web"
    node: str = NODES[0]
    address: str = "127.0.0.7"

    @property
    def bound(self) -> Json:
        """The private claims of its token."""
        return BOUND | {
            "pod": {"name": self.name, "uid": f"uid-of-{self.name}"},
            "node": {"name": self.node, "uid": f"uid-of-{self.node}"},
        }

    @property
    def token(self) -> str:
        """A new token of its kubelet."""
        return token(bound=self.bound)

    @property
    def pod(self) -> Json:
        """The pod, with the sidecar that the injector writes."""
        made = injected(pod(nodeName=self.node, serviceAccountName="records"))
        labels = {names.PLACED_LABEL: "hds"}
        metadata = {"name": self.name, "namespace": "ward", "uid": f"uid-of-{self.name}", "labels": labels}
        status = {"phase": "Running", "podIPs": [{"ip": self.address}]}
        return made | {"apiVersion": "v1", "kind": "Pod", "metadata": made["metadata"] | metadata, "status": status}


WEB, NEIGHBOUR, FAR = Sidecar(), Sidecar("neighbour", address="127.0.0.8"), Sidecar("far", NODES[1], "127.0.0.9")


class Ward(ApiServer):
    """An API server with these pods, on accepted nodes, in a namespace that enforces policy ``hds``."""

    def __init__(self, *sidecars: Sidecar) -> None:
        super().__init__()
        self.allowed = {("enforce", "hds"), *(("host", name) for name in NODES)}
        self.objects = {
            "/api/v1/namespaces/ward": {"metadata": {"name": "ward", "labels": {names.ENFORCE_LABEL: "hds"}}},
            "/api/v1/namespaces/ward/serviceaccounts/records": {"metadata": {"uid": "uid-of-records"}},
        }
        for name in NODES:
            labels = {names.NODE_UID_LABEL: f"uid-of-{name}", names.NODE_DATACENTRE_LABEL: "brest"}
            metadata = {"name": name, "uid": f"uid-of-{name}", "resourceVersion": "1", "labels": labels}
            self.objects[f"/api/v1/nodes/{name}"] = {"metadata": metadata}
        for sidecar in sidecars or (WEB,):
            self.objects[f"/api/v1/namespaces/ward/pods/{sidecar.name}"] = sidecar.pod

    def token_of(self, sidecar: Sidecar) -> str:
        """Return a token of a pod which this API server accepts."""
        made = sidecar.token
        self.reviews[made] = accepted(bound=sidecar.bound)
        return made

    @property
    def noted(self) -> list[Json]:
        """What was written on pods: a certificate that is not noted is not handed out."""
        return [body["metadata"] for path, body in self.written if "/pods/" in path]


def observed(api: Api, *, check_address: bool = True, complete: bool = True) -> SignerState:
    """Return the state of a signer that has observed an accepted datacentre, and has an authority for it."""
    state = SignerState(api, NO_QUEUE, replace(SIGNER_SETTINGS, check_address=check_address))
    nodes = [node(name) for name in NODES]
    shown: list[tuple[Any, str, Any]] = [
        (state.services, "acme-cloud", service()),
        (state.datacentres, "brest", datacentre(*nodes)),
        (state.policies, "hds", policy(countries=("FR",))),
    ]
    for mirror, name, spec in shown:
        metadata = {"name": name, "uid": name, "resourceVersion": "1", "generation": 1}
        dumped = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        show(mirror, [{"metadata": metadata, "spec": dumped}])
    assert state.trust
    rest = (state.derogations, state.secrets, state.bundles, state.requests, state._replicas)  # noqa: SLF001 - as in run
    for mirror in (*rest, state.namespaces, *state.trust.mirrors) if complete else ():
        show(mirror, ())
    end = NOW + timedelta(days=200)
    state.signing_authorities = {
        Pair("hds", "brest"): SigningAuthority("authority.hds.brest.1", AUTHORITY, SigningTime(end, end))
    }
    return state


@dataclass(frozen=True)
class Signer:
    """Where a signer listens."""

    port: int

    async def ask(self, sidecar: Sidecar, text: str, body: bytes | None = None, **headers: str) -> Answered:
        """Ask from the address of a pod, by default for a certificate for a new key."""
        sent = pkcs10(ec.generate_private_key(ec.SECP256R1())) if body is None else body
        connector = aiohttp.TCPConnector(local_addr=(sidecar.address, 0))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(
                f"http://127.0.0.1:{self.port}{CERTIFICATE_PATH}",
                data=sent,
                headers={"Authorization": f"Bearer {text}"} | headers,
            ) as answer,
        ):
            is_json = answer.content_type == "application/json"
            return Answered(answer.status, await answer.json() if is_json else {}, dict(answer.headers))

    async def status_of(self, request: bytes) -> int:
        """Send what no HTTP library would, and return the status of the answer; 0 if the connection was reset."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        try:
            line = await reader.readline()
        except ConnectionResetError:
            return 0
        finally:
            writer.close()
        return int(line.split()[1])


@asynccontextmanager
async def signing(state: SignerState) -> AsyncIterator[Signer]:
    """Have a signer answer within the context, on IPv4 and, as the real one does, IPv6."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", 0), family=family, dualstack_ipv6=both) as listener:
        async with answering(application_of(Endpoint(state)), listener, None):
            yield Signer(listener.getsockname()[1])


def with_signer(server: ApiServer, do: Callable[[Signer], Awaitable[None]], **how: bool) -> None:
    """Do something with a signer. ``how`` it is: see ``observed``."""

    async def main() -> None:
        async with server.serve() as api, signing(observed(api, **how)) as signer:
            await do(signer)

    run(main())


def raw(authorization: bytes, body: bytes = b"") -> bytes:
    """Return a request as it is sent."""
    head = f"POST {CERTIFICATE_PATH} HTTP/1.1\r\nHost: signer\r\nContent-Length: {len(body)}\r\n".encode()
    return head + b"Authorization: " + authorization + b"\r\n\r\n" + body


def chain_of(answered: Answered) -> bytes:
    """Return the certificates of an answer, in PEM."""
    assert answered.status == 200, answered
    return str(answered.body["certificateChain"]).encode()
