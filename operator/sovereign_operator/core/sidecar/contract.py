"""The sidecar through which a pod's traffic goes: how it is called, where it listens, and what it is told.

The injector writes it into a pod, the guard demands it, the agent on the node sends the pod's traffic to it, and the
sidecar itself reads what it is told. What they have to agree on stands here.

Each probe of a kubelet that would have to go to the application in plaintext goes to a port of its own instead, which
leads nowhere but to what is probed. The n-th ``--probe`` of the sidecar has the n-th of PROBE_PORTS.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

CONTAINER: Final = "sovereignty-sidecar"
"""Name of its container, the first of a pod's init containers."""

UID: Final = 65533
"""What it runs as, and nothing else in the pod: the redirect leaves this user's traffic alone."""

LEAST_MEMORY: Final = 128 * 1024 * 1024
"""With a lower limit it does not start: beside the program hardly a connection would fit."""

OUTBOUND_PORT: Final = 15001
"""Where the redirect sends what a pod sends by TCP."""
INBOUND_PORT: Final = 15006
"""Where the redirect sends what a pod is sent by TCP."""
HEALTH_PORT: Final = 15021
"""Where it answers the kubelet, and says what it has loaded and seen."""
REDIRECTED_PORT: Final = 15022
"""Nothing listens here. The redirect leads it to HEALTH_PORT, so that who gets an answer knows that it is there."""
PROBE_PORTS: Final = range(15100, 15164)
RESERVED_PORTS: Final = range(15000, 15200)
"""An application that listens on one of these cannot be reached."""

READY_PATH: Final = "/ready"
STATE_PATH: Final = "/state"
"""Which settings it has loaded, and how many connections of which kind it has seen, as JSON."""

IDENTITY_VOLUME: Final = "sovereignty-identity"
TRANSIT_VOLUME: Final = "sovereignty-transit"
RUN_VOLUME: Final = "sovereignty-run"
"""In memory, for what it writes while it runs."""
VOLUMES: Final = (IDENTITY_VOLUME, TRANSIT_VOLUME, RUN_VOLUME)
IDENTITY_FOLDER: Final = "/run/sovereignty/identity"
TRANSIT_FOLDER: Final = "/run/sovereignty/transit"
RUN_FOLDER: Final = "/run/sovereignty/run"
CREDENTIALS: Final = "credentials.pem"
"""In IDENTITY_FOLDER: the key, the certificate and its chain."""
TRUSTED: Final = "trusted.pem"
"""In IDENTITY_FOLDER: whom to trust."""
LISTENERS: Final = "listeners.json"
"""In TRANSIT_FOLDER: what the policy makes of the pod's traffic, for Envoy to watch."""
LISTENERS_KEY: Final = "listeners-with-limits.json"
"""In the ConfigMap: this file. A pod mounts the same key for all of its life."""
FORMER_LISTENERS_KEYS: Final = ("listeners-with-keepalive.json", "listeners.json")
"""In the ConfigMap: the same for pods that were made before buffers had limits, and before there was keepalive. Envoy
refuses what would change the options of a socket that is open already, and all that comes with it, so such a change
needs a key of its own."""

PROBE_OPTION: Final = "--probe="


TRANSIT_PREFIX: Final = "sovereignty-transit."
_LONGEST_NAME: Final = 253
"""Of an object. What a pod mounts may be called anything."""


def transit_config_map(policy: str) -> str:
    """Return the name of the ConfigMap, in each namespace with sidecars, that says what becomes of traffic."""
    return f"{TRANSIT_PREFIX}{policy}"


def transit_policy(pod: Mapping[str, Any]) -> str:
    """Return the policy that a pod's sidecar goes by; empty if it has no sidecar, or if no policy can be called so."""
    if container_of(pod) is None:
        return ""
    sources = (
        source
        for volume in pod["spec"].get("volumes") or ()
        if volume["name"] == TRANSIT_VOLUME
        for source in (volume.get("projected") or {}).get("sources") or ()
    )
    named = (source["configMap"].get("name", "") for source in sources if "configMap" in source)
    policy = next((name.removeprefix(TRANSIT_PREFIX) for name in named if name.startswith(TRANSIT_PREFIX)), "")
    return policy if len(policy) <= _LONGEST_NAME else ""


class ProbeKind(StrEnum):
    """How a kubelet looks."""

    HTTP = "http"
    HTTPS = "https"
    GRPC = "grpc"
    TCP = "tcp"


_SHOWN: Final = 200
"""Characters that are shown of what is no probe."""

_PROBE: Final = re.compile(r"(http|https|grpc|tcp)://:([0-9]{1,5})(/[!-\"$-~]*)?(?:#([!-\"$-~]+))?")


@dataclass(frozen=True)
class Probe:
    """What a kubelet looks at: a port of an application."""

    kind: ProbeKind
    port: int
    path: str = "/"
    """For HTTP and HTTPS, with the query; for gRPC the service, percent-encoded."""
    headers: tuple[tuple[str, str], ...] = ()
    """What it sends by HTTP and HTTPS."""

    def __str__(self) -> str:
        """As a URL without a host: ``http://:8080/healthz?full#X-Who=kubelet``, ``grpc://:50051``, ``tcp://:5432``."""
        plain = self.kind is ProbeKind.TCP or (self.kind is ProbeKind.GRPC and self.path == "/")
        headers = f"#{urlencode(self.headers)}" if self.headers else ""
        return f"{self.kind}://:{self.port}{'' if plain else self.path}{headers}"

    @classmethod
    def parse(cls, text: str) -> "Probe":
        """Read such a URL. Raises ValueError if it is none."""
        found = _PROBE.fullmatch(text)
        if not found:
            raise ValueError(f"not a probe: {text[:_SHOWN]!r}; write it as http://:8080/healthz or tcp://:5432")
        kind, port, path, headers = found.groups(default="")
        return cls(ProbeKind(kind), int(port), path or "/", tuple(parse_qsl(headers, keep_blank_values=True)))


def arguments(probes: Sequence[Probe]) -> list[str]:
    """Return what the sidecar is told of probes."""
    return [f"{PROBE_OPTION}{probe}" for probe in probes]


def container_of(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the sidecar of a pod (any mapping with a ``spec``), or None if it has none."""
    first = next(iter(pod["spec"].get("initContainers") or ()), None)
    return first if first and first["name"] == CONTAINER else None


def bypass_of(pod: Mapping[str, Any]) -> str:
    """Return a container of a pod that runs as the sidecar's user, and so past it; empty if there is none.

    No ``runAsUser`` may say so; an image may, and only its kubelet knows, which reports it in the pod's status.
    """
    status = pod.get("status") or {}
    kinds = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    for found in (found for kind in kinds for found in status.get(kind) or ()):
        user = ((found.get("user") or {}).get("linux") or {}).get("uid")
        if user == UID and found["name"] != CONTAINER:
            # Its kubelet writes this.
            return str(found["name"])[:_LONGEST_NAME]
    return ""


def probes_of(container: Mapping[str, Any]) -> list[Probe]:
    """Return what a sidecar is told of probes. Raises ValueError if it is told what it does not understand."""
    return [
        Probe.parse(argument.removeprefix(PROBE_OPTION))
        for argument in container.get("args") or ()
        if argument.startswith(PROBE_OPTION)
    ]


def probe_ports(probes: Sequence[Probe]) -> dict[int, Probe]:
    """Return which port leads to which probe. Raises ValueError if there are more probes than ports."""
    return dict(zip(PROBE_PORTS[: len(probes)], probes, strict=True))
