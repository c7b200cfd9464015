"""Rewrites the probes and hooks of a pod's containers so that they go through the sidecar.

A kubelet has no certificate, so its probes go to ports of the sidecar. Behind each port the sidecar sends one fixed
request to the application: nothing else that arrives at the port reaches it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from sovereign_operator.core.sidecar.contract import PROBE_PORTS, RESERVED_PORTS, Probe, ProbeKind

Json = dict[str, Any]

PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
HOOKS: Final = ("postStart", "preStop")

# What Go's HTTP client sends just as it is written. Two slashes at its beginning, or a colon before the first, would
# make it another URL.
_PATH: Final = re.compile(r"(?!//)(?![^/]*:)(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY: Final = re.compile(r"[!-\"$-~]*")


class CannotInjectError(Exception):
    """The sidecar would not work in this pod. The text says what to change in the pod."""


@dataclass(frozen=True)
class ProbeRequest:
    """A probe or hook of a container, as the handler that names its target."""

    container: Mapping[str, Any]
    field: str
    """Its field, for messages: readinessProbe, lifecycle.preStop."""
    handler: str
    """httpGet, tcpSocket or grpc."""
    action: Json
    """The handler's fields, which are changed in place."""

    def __str__(self) -> str:
        return f"{self.field} of container {self.container['name']}"


def rewrite(containers: Sequence[Json], known: Sequence[Probe]) -> list[Probe]:
    """Point probes and hooks at the sidecar, in place, and return the probes for the sidecar's arguments.

    ``known`` are the probes in the arguments of an existing sidecar, whose containers may be rewritten already. Probes
    that still exist keep their order, new ones follow. Raises CannotInjectError.
    """
    requests = [request for container in containers for request in _requests(container)]
    wanted = {id(request): _probe(request, known) for request in requests}
    before = [probe for probe in known if probe in wanted.values()]
    probes = list(dict.fromkeys([*before, *wanted.values()]))
    if len(probes) > len(PROBE_PORTS):
        raise CannotInjectError(
            f"its containers have {len(probes)} different probes and hooks, and the sidecar has ports for "
            f"{len(PROBE_PORTS)}: have some of them ask the same port and path"
        )
    for request in requests:
        request.action["port"] = PROBE_PORTS[probes.index(wanted[id(request)])]
        if request.action.get("scheme") == "HTTPS":
            # The sidecar speaks TLS with the application.
            request.action["scheme"] = "HTTP"
    return probes


def _requests(container: Json) -> Iterator[ProbeRequest]:
    """Yield the probes and hooks that go over the network to the pod itself, and not to another host."""
    for field in PROBES:
        probe = container.get(field) or {}
        for handler in ("httpGet", "tcpSocket", "grpc"):
            if (action := probe.get(handler)) and not action.get("host"):
                yield ProbeRequest(container, field, handler, action)
    for field in HOOKS:
        hook = (container.get("lifecycle") or {}).get(field) or {}
        if (action := hook.get("httpGet")) and not action.get("host"):
            yield ProbeRequest(container, f"lifecycle.{field}", "httpGet", action)


def _probe(request: ProbeRequest, known: Sequence[Probe]) -> Probe:
    """Return the probe of a request, whether or not it was rewritten before."""
    port = _port(request)
    before = known[port - PROBE_PORTS.start] if port in PROBE_PORTS[: len(known)] else None
    if before is None and port in RESERVED_PORTS:
        raise CannotInjectError(
            f"{request} asks port {port}, and {RESERVED_PORTS[0]} to {RESERVED_PORTS[-1]} are the sidecar's: choose "
            "another port"
        )
    number = before.port if before else port
    match request.handler:
        case "tcpSocket":
            return Probe(ProbeKind.TCP, number)
        case "grpc":
            return Probe(ProbeKind.GRPC, number, f"/{quote(request.action.get('service') or '', safe='')}")
        case _:
            secure = request.action.get("scheme") == "HTTPS" or (before and before.kind is ProbeKind.HTTPS)
            return Probe(ProbeKind.HTTPS if secure else ProbeKind.HTTP, number, _path(request), _headers(request))


def _port(request: ProbeRequest) -> int:
    port = request.action.get("port")
    if isinstance(port, int):
        return port
    for named in request.container.get("ports") or ():
        if port and named.get("name") == port:
            return int(named["containerPort"])
    raise CannotInjectError(
        f"{request} names port {port!r}, which the container does not have: add it to its ports, or write a number"
    )


def _path(request: ProbeRequest) -> str:
    """Return the path as a kubelet sends it, with the query."""
    whole, _, _ = str(request.action.get("path") or "/").partition("#")
    path, mark, query = whole.partition("?")
    if not _PATH.fullmatch(path) or not _QUERY.fullmatch(query):
        raise CannotInjectError(f"{request} asks path {whole!r}: write it percent-encoded, with one slash before it")
    return f"{path if path.startswith('/') else f'/{path}'}{mark}{query}"


def _headers(request: ProbeRequest) -> tuple[tuple[str, str], ...]:
    headers = tuple((header["name"], header.get("value") or "") for header in request.action.get("httpHeaders") or ())
    for name, value in headers:
        if not value.isprintable():
            raise CannotInjectError(f"{request} sends header {name} with unprintable characters: remove them")
    return headers
