"""Parts of Envoy's configuration that its bootstrap and its listeners share."""

from typing import Any, Final

from sovereign_operator.core.encryption.wire import Wire
from sovereign_operator.core.sidecar import contract as sidecar

Json = dict[str, Any]

TLS: Final = "envoy.extensions.transport_sockets.tls.v3"

MTLS, PLAIN = Wire.MUTUAL_TLS.value, Wire.PLAIN.value
EXCEPTED: Final = "excepted"
"""Plaintext that an exception of the policy allows in Strict."""
CHAINS: Final = {"outbound": (MTLS, PLAIN), "inbound": (MTLS, PLAIN, EXCEPTED)}
"""By listener, the kinds of connections that it can make or accept."""

CERTIFICATE: Final = "certificate"
TRUST: Final = "trust"
"""Envoy's names for its secrets. Each secret is a file that points to the files that the kubelet renews."""

ALPN: Final = "sovereign/1"
"""The protocol that our sidecars negotiate. It distinguishes their TLS from that of an application."""


INLINE: Final[Json] = {"level": 1, "name": 10, "int_value": 1}
"""The option SO_OOBINLINE of a socket. Envoy does not ask for urgent data; without this option they would be lost, and
with it they pass among the other bytes."""


def typed(kind: str, **fields: Any) -> Json:
    """Return a typed message, for fields that accept messages of several types."""
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def extension(name: str, kind: str, **fields: Any) -> Json:
    """Return an extension with its configuration."""
    return {"name": name, "typed_config": typed(kind, **fields)}


def socket(address: str, port: int) -> Json:
    """Return an address to listen on."""
    return {"socket_address": {"address": address, "port_value": port}}


def dual_stack(port: int) -> Json:
    """Return a listener's address: the port on all addresses, IPv6 as well as IPv4.

    The port is not shared: otherwise another process of the same user could open a socket for one address of it, and
    the kernel would prefer that socket.
    """
    address = socket("::", port)
    address["socket_address"]["ipv4_compat"] = True
    return {"address": address, "enable_reuse_port": False}


def cluster(listener: str, chain: str) -> str:
    """Return the cluster of a chain. Each chain has its own, so that Envoy counts its connections separately."""
    return f"{listener}-{chain}"


def secret_path(name: str) -> str:
    """Return the path of a secret's file."""
    return f"{sidecar.RUN_FOLDER}/{name}.json"


def mutual_tls() -> Json:
    """Return the TLS settings of both ends: TLS 1.3, the pod's certificate, and a peer whose CA is in the trust bundle.

    The peer's name is not checked: the CA that signed the certificate proves where the peer runs.
    """
    return {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "alpn_protocols": [ALPN],
        "tls_certificate_sds_secret_configs": [_secret(CERTIFICATE)],
        "validation_context_sds_secret_config": _secret(TRUST),
    }


def _secret(name: str) -> Json:
    source = {"path_config_source": {"path": secret_path(name)}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": source}
