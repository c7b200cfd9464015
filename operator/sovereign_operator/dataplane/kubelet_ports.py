"""The ports that the sidecar itself serves by HTTP: for probes and hooks of a kubelet, and for polls of its state.

Any client may connect to them, in plaintext.
"""

from collections.abc import Sequence
from typing import Final

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane import admin
from sovereign_operator.dataplane.clusters import original
from sovereign_operator.dataplane.envoy import TLS, Json, dual_stack, extension, typed
from sovereign_operator.dataplane.kubelets import BARE_GET, match_of, rewrite_filter, unanswered_hook
from sovereign_operator.dataplane.memory import BUFFER, KUBELET_BUFFER, kernel_buffers

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
AS_KUBELETS: Final[Json] = {
    # An application may compare names of headers with what a kubelet sends: User-Agent, not user-agent.
    "header_key_format": {"proper_case_words": {}},
    # By default, an answer that has a length and is chunked, too, is an error. The sidecar drops the content.
    "allow_chunked_length": True,
}
"""How the sidecar sends requests by HTTP/1, and what it accepts as an answer: as a kubelet does."""
ANSWER_HEADERS: Final = 1000
"""The most headers in an answer of the application. The default is 100, and a kubelet has no such limit."""
ANSWER_HEADERS_KB: Final = 80
"""The most memory of an answer's headers. A kubelet accepts more, but the sidecar keeps them in memory."""
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
"""What Go's TLS client offers, and so a kubelet: a server that a kubelet can connect to accepts Envoy, too.

Kubelets keep Go's defaults (Kubernetes' pkg/probe/http): those of Go 1.24 in Kubernetes 1.33, and of Go 1.26 in 1.37
(``godebug`` in its go.mod). Since Go 1.22, these have no ciphers without ECDHE, in which the server's RSA key decrypts
the secret (https://go.dev/doc/go1.22#crypto/tls), and since Go 1.23 no 3DES.
"""

_HTTP: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def health() -> Json:
    """Return the listener that answers whether the sidecar is ready, and what its state is."""
    ready = {"match": {"path": sidecar.READY_PATH}, "direct_response": {"status": 200}}
    # An exact path, without a query: Envoy would append one to admin.STATE_QUERY, which limits what clients can read.
    exact = {"name": ":path", "string_match": {"exact": sidecar.STATE_PATH}}
    rewrite = {"pattern": {"regex": ".*"}, "substitution": admin.STATE_QUERY}
    state = {
        "match": {"path": sidecar.STATE_PATH, "headers": [exact, *BARE_GET]},
        "route": {"cluster": admin.CLUSTER, "regex_rewrite": rewrite},
    }
    return _http_listener("health", sidecar.HEALTH_PORT, [ready, state])


def probe_listener(port: int, probe: Probe) -> Json:
    """Return the listener of the sidecar's port for a probe or hook."""
    route: Json = {"match": match_of(probe), "route": {"cluster": f"probe-{port}", "timeout": NO_TIMEOUT}}
    # HTTP/1 carries nothing beside a request without content. Kubelets use nothing else, except for gRPC.
    codec = "HTTP2" if probe.kind is ProbeKind.GRPC else "HTTP1"
    return _http_listener(
        f"probe-{port}", port, [route], [rewrite_filter(probe)], replies=unanswered_hook(), codec=codec
    )


def probe_cluster(port: int, probe: Probe) -> Json:
    """Return the cluster that leads from this port to the application."""
    result = original(f"probe-{port}")
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
    limits = {"max_headers_count": ANSWER_HEADERS, "max_response_headers_kb": ANSWER_HEADERS_KB}
    common = {"common_http_protocol_options": {"max_requests_per_connection": 1, **limits}}
    http, http2 = {"http_protocol_options": AS_KUBELETS}, {"http2_protocol_options": ONE_STREAM}
    match kind:
        case ProbeKind.GRPC:
            return common | {"explicit_http_config": http2}
        case ProbeKind.HTTPS:
            # The server chooses one of these by ALPN.
            return common | {"auto_config": http | http2}
        case _:
            return common | {"explicit_http_config": http}


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
        # The path has to be that of the probe, character by character.
        normalize_path=False,
        merge_slashes=False,
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
        **({"local_reply_config": replies} if replies else {}),
    )
    destination = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
    return {
        "name": name,
        **dual_stack(port),
        "per_connection_buffer_limit_bytes": BUFFER,
        "socket_options": kernel_buffers(KUBELET_BUFFER),
        # They have limits of their own. Otherwise a pod whose sidecar has too much to do would fail its probes, and be
        # killed, while its connections go on.
        "ignore_global_conn_limit": True,
        "bypass_overload_manager": True,
        "listener_filters": [extension("envoy.filters.listener.original_dst", destination)],
        "filter_chains": [{"filters": [manager]}],
    }
