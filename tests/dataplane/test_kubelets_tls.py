"""A kubelet's probes by TLS reach every server that the kubelet itself could ask."""

import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hack.dataplane.pods import Road
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from tests.dataplane.links import APP_PORT
from tests.dataplane.probes import FIRST, as_a_kubelet, probed, web


def certified(folder: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> Path:
    """Write a self-signed certificate with its key."""
    name, now = x509.Name([]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    path = folder / "tls.pem"
    path.write_bytes(pem)
    return path


def tls(pem: Path, *, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    """Return the TLS settings of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = oldest
    context.load_cert_chain(pem)
    return context


def test_a_server_of_tls_that_a_kubelet_could_ask_is_asked(pods: Road, tmp_path: Path) -> None:
    """Some servers have each of these settings, and a kubelet, which is written in Go, accepts all of them."""
    usual = certified(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    newest = tls(usual, oldest=ssl.TLSVersion.TLSv1_3)
    curve = tls(usual)
    curve.set_ecdh_curve("secp384r1")
    server = probed(pods, Probe(ProbeKind.HTTPS, APP_PORT))
    for context in (newest, curve):
        with web(server, context):
            assert pods.ask(server, "/", FIRST) == (200, b"")
    keys = (
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 2048),
    )
    for key in keys:
        with web(server, tls(certified(tmp_path, key))):
            assert pods.ask(server, "/", FIRST) == (200, b""), key


OLD: Final = {f"ECDHE-{key}-AES{bits}-SHA" for key in ("ECDSA", "RSA") for bits in (128, 256)}
RSA_ALONE: Final = {"AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES128-GCM-SHA256", "AES256-GCM-SHA384"}
"""The server's RSA key decrypts the secret."""
OTHERS: Final = {
    *(f"ECDHE-{key}-{kind}" for key in ("ECDSA", "RSA") for kind in ("AES128-GCM-SHA256", "CHACHA20-POLY1305")),
    *("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA256"),
}


def test_a_server_with_one_cipher_is_asked_if_a_kubelet_could_ask_it(pods: Road, program: Path, tmp_path: Path) -> None:
    server = probed(pods, Probe(ProbeKind.HTTPS, APP_PORT))
    by_kubelet, by_sidecar = set(), set()
    for cipher in OLD | RSA_ALONE | OTHERS:
        curve = "ECDSA" in cipher
        key = ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, 2048)
        context = tls(certified(tmp_path, key))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"{cipher}:@SECLEVEL=0")
        with web(server, context):
            if as_a_kubelet(server, program, f"https://127.0.0.1:{APP_PORT}/").returncode == 0:
                by_kubelet.add(cipher)
            if pods.ask(server, "/", FIRST) == (200, b""):
                by_sidecar.add(cipher)
    assert by_sidecar == by_kubelet
    assert by_kubelet >= OLD
    assert not by_kubelet & RSA_ALONE


def test_a_server_that_speaks_only_http_2_by_tls_is_asked(pods: Road, tmp_path: Path) -> None:
    context = tls(certified(tmp_path, ec.generate_private_key(ec.SECP256R1())))
    context.set_alpn_protocols(["h2"])
    server = probed(pods, Probe(ProbeKind.HTTPS, APP_PORT))
    listener = server.net.listen("", APP_PORT, uid=1000)

    def answer() -> None:
        with context.wrap_socket(listener.accept(), server_side=True) as connection:
            connection.sendall(b"\0\0\0\4\0\0\0\0\0")  # our settings
            stream = connection.makefile("rb")
            assert stream.read(24).startswith(b"PRI * HTTP/2.0")
            kind = None
            while kind != 1:  # headers
                frame = stream.read(9)
                kind = frame[3]
                stream.read(int.from_bytes(frame[:3]))
            connection.sendall(b"\0\0\1\1\5\0\0\0\1\x88")  # headers that end stream 1: status 200
            stream.read()

    threading.Thread(target=answer, daemon=True).start()
    assert pods.ask(server, "/", FIRST) == (200, b"")
