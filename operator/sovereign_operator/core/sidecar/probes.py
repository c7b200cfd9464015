"""What a kubelet asks of a pod's containers, and how that is led through the sidecar.

A kubelet has no certificate, so its probes and hooks go to ports of the sidecar, where the sidecar asks
the one thing that is asked, in words that are fixed here: whatever else comes there says nothing to the application.
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
    """A pod in which the sidecar would not work. The text says what to change in it."""


@dataclass(frozen=True)
class ProbeRequest:
    """What a kubelet asks of a container: the part of a probe or hook that says where."""

    container: Mapping[str, Any]
    field: str
    """For people: readinessProbe, lifecycle.preStop."""
    handler: str
    """httpGet, tcpSocket or grpc."""
    action: Json
    """What the handler says, to be changed."""

    def __str__(self) -> str:
        return f"{self.field} of container {self.container['name']}"


def rewrite(containers: Sequence[Json], told: Sequence[Probe]) -> list[Probe]:
    """Change, in place, where the kubelet asks, and return what the sidecar is to be told.

    ``told`` is what it was told when some of them had been changed before. What is still asked keeps its order, and
    what is new follows. Raises CannotInjectError.
    """
    questions = [question for container in containers for question in _questions(container)]
    asked = {id(question): _probe(question, told) for question in questions}
    before = [probe for probe in told if probe in asked.values()]
    probes = list(dict.fromkeys([*before, *asked.values()]))
    if len(probes) > len(PROBE_PORTS):
        raise CannotInjectError(
            f"its containers have {len(probes)} different probes and hooks, and the sidecar has ports for "
            f"{len(PROBE_PORTS)}: have some of them ask the same port and path"
        )
    for question in questions:
        question.action["port"] = PROBE_PORTS[probes.index(asked[id(question)])]
        if question.action.get("scheme") == "HTTPS":
            # TLS to the application is the sidecar's to speak.
            question.action["scheme"] = "HTTP"
    return probes


def _questions(container: Json) -> Iterator[ProbeRequest]:
    """Yield what the kubelet asks over the network. One that names a host asks somebody else."""
    for field in PROBES:
        probe = container.get(field) or {}
        for handler in ("httpGet", "tcpSocket", "grpc"):
            if (action := probe.get(handler)) and not action.get("host"):
                yield ProbeRequest(container, field, handler, action)
    for field in HOOKS:
        hook = (container.get("lifecycle") or {}).get(field) or {}
        if (action := hook.get("httpGet")) and not action.get("host"):
            yield ProbeRequest(container, f"lifecycle.{field}", "httpGet", action)


def _probe(question: ProbeRequest, told: Sequence[Probe]) -> Probe:
    """Return what is asked, whether the question was changed before or not."""
    port = _port(question)
    before = told[port - PROBE_PORTS.start] if port in PROBE_PORTS[: len(told)] else None
    if before is None and port in RESERVED_PORTS:
        raise CannotInjectError(
            f"{question} asks port {port}, and {RESERVED_PORTS[0]} to {RESERVED_PORTS[-1]} are the sidecar's: choose "
            "another port"
        )
    number = before.port if before else port
    match question.handler:
        case "tcpSocket":
            return Probe(ProbeKind.TCP, number)
        case "grpc":
            return Probe(ProbeKind.GRPC, number, f"/{quote(question.action.get('service') or '', safe='')}")
        case _:
            secure = question.action.get("scheme") == "HTTPS" or (before and before.kind is ProbeKind.HTTPS)
            return Probe(ProbeKind.HTTPS if secure else ProbeKind.HTTP, number, _path(question), _headers(question))


def _port(question: ProbeRequest) -> int:
    port = question.action.get("port")
    if isinstance(port, int):
        return port
    for named in question.container.get("ports") or ():
        if port and named.get("name") == port:
            return int(named["containerPort"])
    raise CannotInjectError(
        f"{question} asks port {port!r}, which is none of the container's: name it in its ports, or write the number"
    )


def _path(question: ProbeRequest) -> str:
    """Return the path as a kubelet sends it, with the query."""
    whole, _, _ = str(question.action.get("path") or "/").partition("#")
    path, mark, query = whole.partition("?")
    if not _PATH.fullmatch(path) or not _QUERY.fullmatch(query):
        raise CannotInjectError(f"{question} asks path {whole!r}: write it percent-encoded, with one slash before it")
    return f"{path if path.startswith('/') else f'/{path}'}{mark}{query}"


def _headers(question: ProbeRequest) -> tuple[tuple[str, str], ...]:
    headers = tuple((header["name"], header.get("value") or "") for header in question.action.get("httpHeaders") or ())
    for name, value in headers:
        if not value.isprintable():
            raise CannotInjectError(f"{question} sends header {name} with what cannot be printed: write it without")
    return headers
