"""Pieces of Envoy's configuration that its bootstrap and its listeners have in common."""

from typing import Any, Final

from sovereign_operator.core.encryption.wire import Wire
from sovereign_operator.core.sidecar import contract as sidecar

Json = dict[str, Any]

TLS: Final = "envoy.extensions.transport_sockets.tls.v3"

MTLS, PLAIN = Wire.MUTUAL_TLS.value, Wire.PLAIN.value
EXCEPTED: Final = "excepted"
"""Plaintext that is accepted in Strict, too."""
CHAINS: Final = {"outbound": (MTLS, PLAIN), "inbound": (MTLS, PLAIN, EXCEPTED)}
"""What each listener may do with a connection."""

CERTIFICATE: Final = "certificate"
TRUST: Final = "trust"
"""Secrets. Each is a file that names the files which the kubelet renews."""

ALPN: Final = "sovereign/1"
"""What our sidecars speak by TLS: it tells their TLS from that of an application."""


def typed(kind: str, **fields: Any) -> Json:
    """Return a message of a kind, as Envoy takes it where several kinds are possible."""
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def extension(name: str, kind: str, **fields: Any) -> Json:
    """Return an extension with its configuration."""
    return {"name": name, "typed_config": typed(kind, **fields)}


def socket(address: str, port: int) -> Json:
    """Return an address to listen on."""
    return {"socket_address": {"address": address, "port_value": port}}


def dual_stack(port: int) -> Json:
    """Return where a listener listens: on all addresses, IPv6 as well as IPv4.

    Nobody else may: a socket that shares the port could be opened for one address by another process of the same user,
    and would be preferred.
    """
    address = socket("::", port)
    address["socket_address"]["ipv4_compat"] = True
    return {"address": address, "enable_reuse_port": False}


def cluster(listener: str, chain: str) -> str:
    """Return which cluster a chain leads to: one each, so that their connections are counted one by one."""
    return f"{listener}-{chain}"


def secret_path(name: str) -> str:
    """Return the file of a secret."""
    return f"{sidecar.RUN_FOLDER}/{name}.json"


def mutual_tls() -> Json:
    """Return what both ends demand: TLS 1.3, our certificate, and a peer whose authority we trust.

    Nothing is asked of the peer's name: who signed says where it runs, and that is what is proved.
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
