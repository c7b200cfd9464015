"""The contract about the sidecar: its name, ports, files and arguments.

The injector writes the sidecar into a pod, a guard demands it, the node's agent redirects the pod's traffic to it, and
the sidecar reads its arguments. What all of them have to agree on is defined here.

A kubelet's probe of the application, which would be plaintext, goes to a port of the sidecar instead. This port leads
to the probed port and path alone. The n-th ``--probe`` argument of the sidecar uses the n-th of PROBE_PORTS.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

CONTAINER: Final = "sovereignty-sidecar"
"""Name of its container, the first of a pod's init containers."""

UID: Final = 65533
"""The user that the sidecar runs as, and no other container: the redirect leaves this user's traffic alone."""

LEAST_MEMORY: Final = 128 * 1024 * 1024
"""The lowest memory limit with which it starts: below, hardly a connection would fit beside the program."""

OUTBOUND_PORT: Final = 15001
"""The redirect forwards the pod's outbound TCP connections to this port."""
INBOUND_PORT: Final = 15006
"""The redirect forwards the pod's inbound TCP connections to this port."""
PEER_PORT: Final = 15007
"""It forwards those here that reach the application from the address of the client: see dataplane/peers.py."""
HEALTH_PORT: Final = 15021
"""The port for the kubelet's startup probe and for the controller's polls."""
REDIRECTED_PORT: Final = 15022
"""The redirect forwards this port to HEALTH_PORT; an answer proves that the redirect is active."""
PROBE_PORTS: Final = range(15100, 15164)
RESERVED_PORTS: Final = range(15000, 15200)
"""The sidecar's ports. An application that listens on one of these cannot be reached."""

READY_PATH: Final = "/ready"
STATE_PATH: Final = "/state"
"""The path of its state: which settings it has loaded, and its connections by kind, as JSON."""

IDENTITY_VOLUME: Final = "sovereignty-identity"
TRANSIT_VOLUME: Final = "sovereignty-transit"
RUN_VOLUME: Final = "sovereignty-run"
"""In memory, for what it writes while it runs."""
VOLUMES: Final = (IDENTITY_VOLUME, TRANSIT_VOLUME, RUN_VOLUME)
IDENTITY_FOLDER: Final = "/run/sovereignty/identity"
TRANSIT_FOLDER: Final = "/run/sovereignty/transit"
RUN_FOLDER: Final = "/run/sovereignty/run"
ACCOUNT_FOLDER: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where API servers mount the pod's token in each container that mounts nothing there. The sidecar mounts RUN_VOLUME:
it needs no token, and an API server that changes the sidecar has the injector write it again, at twice the cost."""
CREDENTIALS: Final = "credentials.pem"
"""In IDENTITY_FOLDER: the key, the certificate and its chain."""
TRUSTED: Final = "trusted.pem"
"""In IDENTITY_FOLDER, and a key of the trust ConfigMap: the trust bundle."""
TOKEN: Final = "token"  # noqa: S105 - the name of a file
"""In IDENTITY_FOLDER of a sidecar that asks the signer itself: the token of its pod, for the signer alone."""
TOKEN_SECONDS: Final = 3600
"""How long such a token is valid. Its kubelet renews it after four fifths of that."""
SIGNER_CA: Final = "signer-ca.pem"
"""There, and a key of the trust ConfigMap: the authorities that sign the signer's serving certificates, in PEM."""
SIGNER_ADDRESSES: Final = "signer.json"
"""There, and a key of the trust ConfigMap: where the signer is, as ``{"host": NAME, "addresses": ["10.96.0.17:443"]}``.
The certificate of the signer is for this host. With addresses, sidecars need no DNS."""
SIGNER_PORT: Final = 8443
"""Where the signer's pods listen for sidecars. The port of its Service, 443, leads there."""
SIGNER_PORT_NAME: Final = "certificates"
"""What its pods call this port."""
CERTIFICATE_PATH: Final = "/certificate"
"""Where the signer answers requests for certificates: see signer/tokens/endpoint.py."""
OWN_FOLDER: Final = f"{RUN_FOLDER}/identity"
"""Where such a sidecar keeps CREDENTIALS."""
LISTENERS: Final = "listeners.json"
"""In TRANSIT_FOLDER: the listeners for the policy's mode, which Envoy watches."""
IPV4_FOLDER: Final = f"{RUN_FOLDER}/transit"
"""Where a sidecar keeps a copy of LISTENERS for Envoy if the kernel of its node has no IPv6: see sidecar/ipv4.py."""
LISTENERS_KEY: Final = "listeners-after-handshake.json"
"""In the ConfigMap: this file. A pod mounts the same key for all of its life."""
_WITH_PEERS: Final = "listeners-with-peers.json"
FORMER_LISTENERS_KEYS: Final = (_WITH_PEERS, "listeners-with-limits.json", "listeners-with-keepalive.json")
"""In the ConfigMap: the same for pods that were made before Envoy waited for the handshake; before there was PEER_PORT,
keepalive within the pod, and urgent data were kept; and before buffers had limits. Envoy refuses what would change the
options of a socket that is open already, and all that comes with it; a change of a chain ends its connections, and a
change of anything else all of them. So such a change needs a key of its own. A ConfigMap has room for these four: with
a further one, the last goes, and the pods that mount it keep what they have loaded until they are rolled out."""

PROBE_OPTION: Final = "--probe="


TRANSIT_PREFIX: Final = "sovereignty-transit."
TRUST_PREFIX: Final = "sovereignty-trust."
_LONGEST_NAME: Final = 253
"""Characters of an object's name, as far as a pod can mount it."""


def transit_config_map(policy: str) -> str:
    """Return the name of a policy's transit config, which each namespace with sidecars has."""
    return f"{TRANSIT_PREFIX}{policy}"


def trust_config_map(policy: str) -> str:
    """Return the name of a policy's trust ConfigMap, which each namespace has whose pods get its certificates."""
    return f"{TRUST_PREFIX}{policy}"


def transit_policy(pod: Mapping[str, Any]) -> str:
    """Return the policy whose transit config a pod's sidecar loads; empty without a sidecar or a valid name."""
    return "" if container_of(pod) is None else policy_named(_transit_sources(pod), TRANSIT_PREFIX)


def listens_for_peers(pod: Mapping[str, Any]) -> bool:
    """Return whether the sidecar of a pod listens on PEER_PORT: it depends on the listeners that it mounts."""
    items = (source["configMap"].get("items") or () for source in _transit_sources(pod) if "configMap" in source)
    return any(item["key"] in {LISTENERS_KEY, _WITH_PEERS} for each in items for item in each)


def _transit_sources(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for volume in pod["spec"].get("volumes") or ():
        if volume["name"] == TRANSIT_VOLUME:
            yield from (volume.get("projected") or {}).get("sources") or ()


def policy_named(sources: Iterable[Mapping[str, Any]], prefix: str) -> str:
    """Return the policy that the first ConfigMap with a prefix names, among sources of projected volumes.

    Empty if there is none, or if the name is too long for any object.
    """
    named = (source["configMap"].get("name", "") for source in sources if "configMap" in source)
    policy = next((name.removeprefix(prefix) for name in named if name.startswith(prefix)), "")
    return policy if len(policy) <= _LONGEST_NAME else ""


class ProbeKind(StrEnum):
    """The protocol of a probe."""

    HTTP = "http"
    HTTPS = "https"
    GRPC = "grpc"
    TCP = "tcp"


_SHOWN: Final = 200
"""How many characters of a malformed probe an error quotes."""

_PROBE: Final = re.compile(r"(http|https|grpc|tcp)://:([0-9]{1,5})(/[!-\"$-~]*)?(?:#([!-\"$-~]+))?")


@dataclass(frozen=True)
class Probe:
    """A probe or hook of a kubelet: a port of the application, and what is sent there."""

    kind: ProbeKind
    port: int
    path: str = "/"
    """For HTTP and HTTPS, with the query; for gRPC the service, percent-encoded."""
    headers: tuple[tuple[str, str], ...] = ()
    """The HTTP headers that the kubelet sends."""

    def __str__(self) -> str:
        """As a URL without a host: ``http://:8080/healthz?full#X-Who=kubelet``, ``grpc://:50051``, ``tcp://:5432``."""
        plain = self.kind is ProbeKind.TCP or (self.kind is ProbeKind.GRPC and self.path == "/")
        headers = f"#{urlencode(self.headers)}" if self.headers else ""
        return f"{self.kind}://:{self.port}{'' if plain else self.path}{headers}"

    @classmethod
    def parse(cls, text: str) -> "Probe":
        """Parse such a URL. Raises ValueError if it is malformed."""
        found = _PROBE.fullmatch(text)
        if not found:
            raise ValueError(f"not a probe: {text[:_SHOWN]!r}; write it as http://:8080/healthz or tcp://:5432")
        kind, port, path, headers = found.groups(default="")
        return cls(ProbeKind(kind), int(port), path or "/", tuple(parse_qsl(headers, keep_blank_values=True)))


def arguments(probes: Sequence[Probe]) -> list[str]:
    """Return the sidecar's arguments for these probes."""
    return [f"{PROBE_OPTION}{probe}" for probe in probes]


def container_of(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the sidecar of a pod (any mapping with a ``spec``), or None if it has none."""
    first = next(iter(pod["spec"].get("initContainers") or ()), None)
    return first if first and first["name"] == CONTAINER else None


def bypass_of(pod: Mapping[str, Any]) -> str:
    """Return a container of a pod that runs as the sidecar's user, and so bypasses it; empty if there is none.

    The guards refuse such a ``runAsUser``. An image may set the user as well, which the kubelet reports in the status.
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
    """Return the probes in a sidecar's arguments. Raises ValueError if an argument is malformed."""
    return [
        Probe.parse(argument.removeprefix(PROBE_OPTION))
        for argument in container.get("args") or ()
        if argument.startswith(PROBE_OPTION)
    ]


def probe_ports(probes: Sequence[Probe]) -> dict[int, Probe]:
    """Return the probe of each port. Raises ValueError if there are more probes than ports."""
    return dict(zip(PROBE_PORTS[: len(probes)], probes, strict=True))
