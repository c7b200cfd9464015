"""The smallest pair of Envoys that puts mutual TLS between a client and a server: the best that a sidecar could reach.

No redirect, no inspection of the data, one listener with one filter chain each, addresses that are fixed at start, and
certificates that never change. The TLS settings are those of sidecars: TLS 1.3, certificates on both sides, and no
session resumption.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from hack.dataplane.pods import PATIENCE, Pod, Road, envoy
from hack.kubectl import eventually
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane.envoy import TLS, Json, extension, socket, typed

LOCAL: Final = "127.0.0.1"
CLIENT_PORT: Final = 9000
"""The port on which the client's application reaches the server."""
_TLS_PORT: Final = 8443
_TCP_PROXY: Final = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


@contextmanager
def proxies(road: Road, port: int, concurrency: int) -> Iterator[list[int]]:
    """Forward the client's CLIENT_PORT to a port of the server; the pods need certificates. Yield both process ids."""
    server = _start(road.server, concurrency, ("0.0.0.0", _TLS_PORT), (LOCAL, port), tls="downstream")  # noqa: S104
    client = _start(road.client, concurrency, (LOCAL, CLIENT_PORT), (road.server.address, _TLS_PORT), tls="upstream")
    try:
        for pod, address, listening in ((road.server, LOCAL, _TLS_PORT), (road.client, LOCAL, CLIENT_PORT)):
            eventually(
                lambda pod=pod, address=address, listening=listening: _listens(pod, address, listening),  # type: ignore[misc]
                seconds=PATIENCE,
                what="a bare Envoy",
            )
        yield [client.pid, server.pid]
    finally:
        for process in (client, server):
            process.terminate()
            process.wait(PATIENCE)


def _listens(pod: Pod, address: str, port: int) -> bool:
    try:
        pod.net.connect(address, port).close()
    except ConnectionRefusedError:
        return False
    return True


def _start(
    pod: Pod, concurrency: int, at: tuple[str, int], to: tuple[str, int], *, tls: str
) -> subprocess.Popen[bytes]:
    config = pod.folder / "bare.json"
    config.write_text(json.dumps(_bootstrap(pod, at, to, tls)), encoding="utf-8")
    options = ["--config-path", str(config), "--concurrency", str(concurrency), "--log-level", "warn"]
    command = [str(envoy() / "envoy"), "--disable-hot-restart", *options]
    with (pod.folder / "log").open("wb") as log:
        return subprocess.Popen(["nsenter", f"--net=/run/netns/{pod.net.name}", *command], stdout=log, stderr=log)


def _bootstrap(pod: Pod, at: tuple[str, int], to: tuple[str, int], tls: str) -> Json:
    proxy = extension("envoy.filters.network.tcp_proxy", _TCP_PROXY, stat_prefix="bare", cluster="bare")
    chain: Json = {"filters": [proxy]}
    endpoint = {"endpoint": {"address": socket(*to)}}
    assignment = {"cluster_name": "bare", "endpoints": [{"lb_endpoints": [endpoint]}]}
    cluster: Json = {"name": "bare", "type": "STATIC", "load_assignment": assignment}
    if tls == "downstream":
        once = {"disable_stateless_session_resumption": True, "disable_stateful_session_resumption": True}
        chain["transport_socket"] = _tls("DownstreamTlsContext", pod, require_client_certificate=True, **once)
    else:
        cluster["transport_socket"] = _tls("UpstreamTlsContext", pod, max_session_keys=0)
    listener = {"name": "bare", "address": socket(*at), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _tls(kind: str, pod: Pod, **fields: Any) -> Json:
    identity = pod.folder / "identity"
    credentials = {"filename": str(identity / sidecar.CREDENTIALS)}
    common = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [{"certificate_chain": credentials, "private_key": credentials}],
        "validation_context": {"trusted_ca": {"filename": str(identity / sidecar.TRUSTED)}},
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed(f"{TLS}.{kind}", common_tls_context=common, **fields),
    }
