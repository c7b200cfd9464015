"""The bootstrap of a sidecar's Envoy: the configuration that never changes while a pod exists.

The two listeners for the application's traffic are not part of it: Envoy reads them from a file (listeners.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane.envoy import (
    CERTIFICATE,
    CHAINS,
    MTLS,
    TLS,
    TRUST,
    Json,
    cluster,
    dual_stack,
    extension,
    mutual_tls,
    secret_path,
    typed,
)
from sovereign_operator.dataplane.keepalive import GIVE_UP_SOONER, KEEPALIVE
from sovereign_operator.dataplane.kubelets import BARE_GET, match_of, rewrite_filter, unanswered_hook
from sovereign_operator.dataplane.memory import (
    BUFFER,
    FAR,
    KUBELET_BUFFER,
    NEAR,
    UNBOUNDED,
    UNLIMITED,
    Budget,
    kernel_buffers,
    overload,
    runtime,
)

ADMIN_SOCKET: Final = f"{sidecar.RUN_FOLDER}/admin.sock"
"""The socket of Envoy's admin interface, which can change anything. Only Envoy itself uses it, to query its state."""

_COUNTED: Final = "cluster[.]inbound-[a-z]*[.]upstream_cx_(total|active)"
STATE_QUERY: Final = f"/stats?format=json&filter=^(listener_manager[.]lds[.]version_text|{_COUNTED})$"

CONNECT_TIMEOUT: Final = "10s"
CLIENT_SECONDS: Final = "10s"
"""How long a client of a port for kubelets may take to send a request, or be idle afterwards."""
HEADERS_KB: Final = 16
"""More than a kubelet sends, and less than Envoy's default: headers are kept in memory."""
ONE_STREAM: Final[Json] = {
    "max_concurrent_streams": 1,
    "initial_stream_window_size": 65535,
    "initial_connection_window_size": 65535,
}
"""By default, a connection has a thousand streams, each with buffers of its own. A kubelet needs one."""
NO_TIMEOUT: Final = "0s"
"""For answers of the application: its kubelet applies the timeout of a probe, and the grace period to a hook."""

TLS_OF_KUBELETS: Final[Json] = {
    # By default, Envoy offers no TLS 1.3 as a client.
    "tls_minimum_protocol_version": "TLSv1_2",
    "tls_maximum_protocol_version": "TLSv1_3",
    "cipher_suites": [
        f"ECDHE-{key}-{cipher}"
        for cipher in ("AES128-GCM-SHA256", "CHACHA20-POLY1305", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA")
        for key in ("ECDSA", "RSA")
    ],
    "ecdh_curves": ["X25519MLKEM768", "X25519", "P-256", "P-384", "P-521"],
    "signature_algorithms": [
        "ed25519",
        *(f"ecdsa_secp{curve}" for curve in ("256r1_sha256", "384r1_sha384", "521r1_sha512")),
        *(f"rsa_{way}_sha{bits}" for way in ("pss_rsae", "pkcs1") for bits in (256, 384, 512)),
    ],
}
"""What Go's TLS client offers, and so a kubelet: a server that a kubelet can connect to accepts Envoy, too."""

_HTTP: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def secrets(credentials: str = sidecar.IDENTITY_FOLDER) -> Mapping[str, Json]:
    """Return the files of the secrets, by path. ``credentials`` is the folder with key and certificate.

    Envoy watches the folders: the kubelet replaces the content of one at once, and a sidecar moves files into its own.
    """
    own, given = ({"watched_directory": {"path": folder}} for folder in (credentials, sidecar.IDENTITY_FOLDER))
    both = {"filename": f"{credentials}/{sidecar.CREDENTIALS}"}
    pair = {"certificate_chain": both, "private_key": both} | own
    trusted = {"trusted_ca": {"filename": f"{sidecar.IDENTITY_FOLDER}/{sidecar.TRUSTED}"}} | given
    return {
        secret_path(CERTIFICATE): _secret(CERTIFICATE, tls_certificate=pair),
        secret_path(TRUST): _secret(TRUST, validation_context=trusted),
    }


def bootstrap(
    name: str, probes: Mapping[int, Probe], budget: Budget = UNBOUNDED, *, give_up_sooner: bool = False
) -> Json:
    """Return Envoy's bootstrap for a pod. ``name`` is the pod's; ``probes`` are by the sidecar's port for each.

    ``give_up_sooner``: whether the kernel supports the option GIVE_UP_SOONER.
    """
    served = {port: probe for port, probe in probes.items() if probe.kind is not ProbeKind.TCP}
    for_kubelets = [_health(), *(_probe_listener(port, probe) for port, probe in served.items())]
    budget = replace(budget, ports=len(for_kubelets))
    folder = sidecar.TRANSIT_FOLDER
    listeners = {"path": f"{folder}/{sidecar.LISTENERS}", "watched_directory": {"path": folder}}
    return {
        "node": {"id": name, "cluster": "sovereign-sidecar"},
        "admin": {"address": {"pipe": {"path": ADMIN_SOCKET, "mode": 0o600}}},
        "dynamic_resources": {"lds_config": {"path_config_source": listeners, "resource_api_version": "V3"}},
        "static_resources": {
            "listeners": for_kubelets,
            "clusters": [
                *(_entering(chain) for chain in CHAINS["inbound"]),
                *(_leaving(chain, [GIVE_UP_SOONER] if give_up_sooner else []) for chain in CHAINS["outbound"]),
                _admin(),
                *(_probe_cluster(port, probe) for port, probe in served.items()),
            ],
        },
        "overload_manager": overload(budget),
        "layered_runtime": runtime(budget, [listener["name"] for listener in for_kubelets]),
    }


def _secret(name: str, **content: Json) -> Json:
    resource = typed(f"{TLS}.Secret", name=name, **content)
    return {"resources": [resource]}


def _client_tls() -> Json:
    # No session is resumed: see listeners.py.
    context = typed(f"{TLS}.UpstreamTlsContext", common_tls_context=mutual_tls(), max_session_keys=0)
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _entering(chain: str) -> Json:
    """Return a cluster for connections to the pod's own application."""
    return _original(cluster("inbound", chain)) | {"upstream_bind_config": {"socket_options": kernel_buffers(NEAR)}}


def _leaving(chain: str, options: list[Json]) -> Json:
    """Return a cluster for connections that leave the pod. Their peers may vanish without closing."""
    tls = {"transport_socket": _client_tls()} if chain == MTLS else {}
    return (
        _original(cluster("outbound", chain))
        | {"upstream_connection_options": {"tcp_keepalive": KEEPALIVE}}
        | {"upstream_bind_config": {"socket_options": [*options, *kernel_buffers(FAR)]}}
        | tls
    )


def _original(name: str) -> Json:
    """Return a cluster that connects to the destination that a connection had before it was redirected."""
    return {
        "name": name,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": CONNECT_TIMEOUT,
        "per_connection_buffer_limit_bytes": BUFFER,
        # Each connection has its own destination, which Envoy drops once it is unused.
        "cleanup_interval": "60s",
        # The default is 1,024 connections; Envoy would close any further ones at once.
        "circuit_breakers": {"thresholds": [{"max_connections": UNLIMITED, "max_pending_requests": UNLIMITED}]},
    }


def _admin() -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": ADMIN_SOCKET}}}}
    assignment = {"cluster_name": "admin", "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": "admin", "type": "STATIC", "connect_timeout": CONNECT_TIMEOUT, "load_assignment": assignment}


def _health() -> Json:
    ready = {"match": {"path": sidecar.READY_PATH}, "direct_response": {"status": 200}}
    # An exact path, without a query: Envoy would append a query to STATE_QUERY, which limits what clients can read.
    exact = {"name": ":path", "string_match": {"exact": sidecar.STATE_PATH}}
    state = {
        "match": {"path": sidecar.STATE_PATH, "headers": [exact, *BARE_GET]},
        "route": {"cluster": "admin", "regex_rewrite": {"pattern": {"regex": ".*"}, "substitution": STATE_QUERY}},
    }
    return _http_listener("health", sidecar.HEALTH_PORT, [ready, state])


def _probe_listener(port: int, probe: Probe) -> Json:
    route: Json = {"match": match_of(probe), "route": {"cluster": f"probe-{port}", "timeout": NO_TIMEOUT}}
    # HTTP/1 carries nothing beside a request without content. Kubelets use nothing else, except for gRPC.
    codec = "HTTP2" if probe.kind is ProbeKind.GRPC else "HTTP1"
    return _http_listener(
        f"probe-{port}", port, [route], [rewrite_filter(probe)], replies=unanswered_hook(), codec=codec
    )


def _probe_cluster(port: int, probe: Probe) -> Json:
    result = _original(f"probe-{port}")
    result["upstream_bind_config"] = {"socket_options": kernel_buffers(KUBELET_BUFFER)}
    result["original_dst_lb_config"] = {"upstream_port_override": probe.port}
    result["typed_extension_protocol_options"] = {_HTTP_OPTIONS: typed(_HTTP_OPTIONS, **_protocol(probe.kind))}
    if probe.kind is ProbeKind.HTTPS:
        # Like a kubelet: certificates are not verified, and each connection begins with a full handshake.
        context = typed(
            f"{TLS}.UpstreamTlsContext", common_tls_context={"tls_params": TLS_OF_KUBELETS}, max_session_keys=0
        )
        result["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return result


def _protocol(kind: ProbeKind) -> Json:
    """Return the protocol for requests to the application.

    Like a kubelet, each request has a new connection. The application may close a connection that is kept just as the
    next probe uses it, and that probe would fail. Nor would it prove that the application accepts new connections.
    """
    once = {"common_http_protocol_options": {"max_requests_per_connection": 1}}
    match kind:
        case ProbeKind.GRPC:
            return once | {"explicit_http_config": {"http2_protocol_options": {}}}
        case ProbeKind.HTTPS:
            # The server chooses one of these by ALPN.
            return once | {"auto_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}
        case _:
            return once | {"explicit_http_config": {"http_protocol_options": {}}}


def _http_listener(
    name: str,
    port: int,
    routes: list[Json],
    filters: Sequence[Json] = (),
    *,
    replies: Json | None = None,
    codec: str = "HTTP1",
) -> Json:
    """Return a listener with these routes. ``replies`` configures the answers that Envoy itself makes up."""
    router = extension(
        "envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", suppress_envoy_headers=True
    )
    host = {"name": name, "domains": ["*"], "routes": routes}
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        _HTTP,
        stat_prefix=name,
        codec_type=codec,
        http2_protocol_options=ONE_STREAM,
        max_request_headers_kb=HEADERS_KB,
        route_config={"virtual_hosts": [host]},
        http_filters=[*filters, router],
        generate_request_id=False,
        server_header_transformation="PASS_THROUGH",
        request_headers_timeout=CLIENT_SECONDS,
        request_timeout=CLIENT_SECONDS,
        stream_idle_timeout=NO_TIMEOUT,
        stream_flush_timeout=CLIENT_SECONDS,
        common_http_protocol_options={"idle_timeout": CLIENT_SECONDS},
        **({"local_reply_config": replies} if replies else {}),
    )
    original = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
    return {
        "name": name,
        **dual_stack(port),
        "per_connection_buffer_limit_bytes": BUFFER,
        "socket_options": kernel_buffers(KUBELET_BUFFER),
        "ignore_global_conn_limit": True,
        "listener_filters": [extension("envoy.filters.listener.original_dst", original)],
        "filter_chains": [{"filters": [manager]}],
    }
