"""What a sidecar's Envoy is started with: everything that never changes in a pod's life."""

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
from sovereign_operator.dataplane.kubelets import NOTHING_BUT_A_LOOK, match_of, no_answer, own_words
from sovereign_operator.dataplane.memory import (
    BUFFER,
    FAR,
    NEAR,
    QUESTION_BUFFER,
    UNBOUNDED,
    UNLIMITED,
    Budget,
    kernel_buffers,
    overload,
    runtime,
)

ADMIN_SOCKET: Final = f"{sidecar.RUN_FOLDER}/admin.sock"
"""Envoy's own interface, which could change everything: for nobody but Envoy, which asks itself for its state."""

_COUNTED: Final = "cluster[.]inbound-[a-z]*[.]upstream_cx_(total|active)"
STATE_QUERY: Final = f"/stats?format=json&filter=^(listener_manager[.]lds[.]version_text|{_COUNTED})$"

CONNECT_TIMEOUT: Final = "10s"
ASK_SECONDS: Final = "10s"
"""How long somebody may take to ask a kubelet's question, or keep silent after it."""
HEADERS_KB: Final = 16
"""More than a kubelet sends, and less than Envoy takes unasked: it has to hold them."""
ONE_AT_A_TIME: Final[Json] = {
    "max_concurrent_streams": 1,
    "initial_stream_window_size": 65535,
    "initial_connection_window_size": 65535,
}
"""Unasked, Envoy takes a thousand calls at once on a connection, each with buffers of its own. A kubelet makes one."""
NEVER: Final = "0s"
"""How long an answer may take: a probe has its kubelet's timeout, and a hook the pod's grace period."""

TLS_OF_KUBELETS: Final[Json] = {
    # Unless told, Envoy offers no TLS 1.3 where it is the client.
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
"""What Go's client offers, which kubelets are: a server that a kubelet could ask can be asked from here."""

_HTTP: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def secrets() -> Mapping[str, str | Json]:
    """Return the files of the secrets, by path: the kubelet replaces the folder's content at once."""
    folder = sidecar.IDENTITY_FOLDER
    watched = {"watched_directory": {"path": folder}}
    credentials = {"filename": f"{folder}/{sidecar.CREDENTIALS}"}
    pair = {"certificate_chain": credentials, "private_key": credentials} | watched
    trusted = {"trusted_ca": {"filename": f"{folder}/{sidecar.TRUSTED}"}} | watched
    return {
        secret_path(CERTIFICATE): _secret(CERTIFICATE, tls_certificate=pair),
        secret_path(TRUST): _secret(TRUST, validation_context=trusted),
    }


def bootstrap(
    name: str, probes: Mapping[int, Probe], budget: Budget = UNBOUNDED, *, give_up_sooner: bool = False
) -> Json:
    """Return Envoy's bootstrap for a pod of that name, with these probes by the port that leads to each.

    ``give_up_sooner``: whether this kernel knows the option GIVE_UP_SOONER.
    """
    looked_at = {port: probe for port, probe in probes.items() if probe.kind is not ProbeKind.TCP}
    asking = [_health(), *(_probe_listener(port, probe) for port, probe in looked_at.items())]
    budget = replace(budget, ports=len(asking))
    folder = sidecar.TRANSIT_FOLDER
    listeners = {"path": f"{folder}/{sidecar.LISTENERS}", "watched_directory": {"path": folder}}
    return {
        "node": {"id": name, "cluster": "sovereign-sidecar"},
        "admin": {"address": {"pipe": {"path": ADMIN_SOCKET, "mode": 0o600}}},
        "dynamic_resources": {"lds_config": {"path_config_source": listeners, "resource_api_version": "V3"}},
        "static_resources": {
            "listeners": asking,
            "clusters": [
                *(_entering(chain) for chain in CHAINS["inbound"]),
                *(_leaving(chain, [GIVE_UP_SOONER] if give_up_sooner else []) for chain in CHAINS["outbound"]),
                _admin(),
                *(_probe_cluster(port, probe) for port, probe in looked_at.items()),
            ],
        },
        "overload_manager": overload(budget),
        "layered_runtime": runtime(budget, [listener["name"] for listener in asking]),
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
    """Return a cluster for connections that leave the pod, whose peers may be gone without a word."""
    tls = {"transport_socket": _client_tls()} if chain == MTLS else {}
    return (
        _original(cluster("outbound", chain))
        | {"upstream_connection_options": {"tcp_keepalive": KEEPALIVE}}
        | {"upstream_bind_config": {"socket_options": [*options, *kernel_buffers(FAR)]}}
        | tls
    )


def _original(name: str) -> Json:
    """Return a cluster that goes where the connection was going before it was redirected."""
    return {
        "name": name,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": CONNECT_TIMEOUT,
        "per_connection_buffer_limit_bytes": BUFFER,
        # Each connection has its own destination, which is not needed for long.
        "cleanup_interval": "60s",
        # Otherwise a pod has 1,024 at once, and more are closed as soon as they are open.
        "circuit_breakers": {"thresholds": [{"max_connections": UNLIMITED, "max_pending_requests": UNLIMITED}]},
    }


def _admin() -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": ADMIN_SOCKET}}}}
    assignment = {"cluster_name": "admin", "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": "admin", "type": "STATIC", "connect_timeout": CONNECT_TIMEOUT, "load_assignment": assignment}


def _health() -> Json:
    ready = {"match": {"path": sidecar.READY_PATH}, "direct_response": {"status": 200}}
    # Without a query: Envoy would append one to STATE_QUERY, which bounds what may be seen.
    alone = {"name": ":path", "string_match": {"exact": sidecar.STATE_PATH}}
    state = {
        "match": {"path": sidecar.STATE_PATH, "headers": [alone, *NOTHING_BUT_A_LOOK]},
        "route": {"cluster": "admin", "regex_rewrite": {"pattern": {"regex": ".*"}, "substitution": STATE_QUERY}},
    }
    return _http_listener("health", sidecar.HEALTH_PORT, [ready, state])


def _probe_listener(port: int, probe: Probe) -> Json:
    route: Json = {"match": match_of(probe), "route": {"cluster": f"probe-{port}", "timeout": NEVER}}
    # By HTTP/1 nothing comes beside a request that has no content. A kubelet speaks nothing else, but for gRPC.
    codec = "HTTP2" if probe.kind is ProbeKind.GRPC else "HTTP1"
    return _http_listener(f"probe-{port}", port, [route], [own_words(probe)], replies=no_answer(), codec=codec)


def _probe_cluster(port: int, probe: Probe) -> Json:
    found = _original(f"probe-{port}")
    found["upstream_bind_config"] = {"socket_options": kernel_buffers(QUESTION_BUFFER)}
    found["original_dst_lb_config"] = {"upstream_port_override": probe.port}
    found["typed_extension_protocol_options"] = {_HTTP_OPTIONS: typed(_HTTP_OPTIONS, **_protocol(probe.kind))}
    if probe.kind is ProbeKind.HTTPS:
        # A kubelet does not look at certificates either, and begins each time with a full handshake.
        context = typed(
            f"{TLS}.UpstreamTlsContext", common_tls_context={"tls_params": TLS_OF_KUBELETS}, max_session_keys=0
        )
        found["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return found


def _protocol(kind: ProbeKind) -> Json:
    """Return how the application is spoken to.

    Like a kubelet, on a new connection each time: one that is kept may be closed by the application just as the next
    probe comes, which then fails, and it says nothing about whether the application still takes new ones.
    """
    once = {"common_http_protocol_options": {"max_requests_per_connection": 1}}
    match kind:
        case ProbeKind.GRPC:
            return once | {"explicit_http_config": {"http2_protocol_options": {}}}
        case ProbeKind.HTTPS:
            # Whichever the server takes, by ALPN.
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
    """Return a listener with these routes. ``replies``: what becomes of answers that Envoy makes up."""
    router = extension(
        "envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", suppress_envoy_headers=True
    )
    host = {"name": name, "domains": ["*"], "routes": routes}
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        _HTTP,
        stat_prefix=name,
        codec_type=codec,
        http2_protocol_options=ONE_AT_A_TIME,
        max_request_headers_kb=HEADERS_KB,
        route_config={"virtual_hosts": [host]},
        http_filters=[*filters, router],
        generate_request_id=False,
        server_header_transformation="PASS_THROUGH",
        request_headers_timeout=ASK_SECONDS,
        request_timeout=ASK_SECONDS,
        stream_idle_timeout=NEVER,
        stream_flush_timeout=ASK_SECONDS,
        common_http_protocol_options={"idle_timeout": ASK_SECONDS},
        **({"local_reply_config": replies} if replies else {}),
    )
    original = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
    return {
        "name": name,
        **dual_stack(port),
        "per_connection_buffer_limit_bytes": BUFFER,
        "socket_options": kernel_buffers(QUESTION_BUFFER),
        "ignore_global_conn_limit": True,
        "listener_filters": [extension("envoy.filters.listener.original_dst", original)],
        "filter_chains": [{"filters": [manager]}],
    }
