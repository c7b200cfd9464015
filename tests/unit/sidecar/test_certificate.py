"""The process that asks for a certificate, as it runs: against a real server, with real files."""

import json
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.pki import certificates
from sovereign_operator.pki.authority import read_key
from sovereign_operator.pki.serving import make_authority
from sovereign_operator.sidecar.answers import LARGEST
from sovereign_operator.sidecar.outcome import Kind, Outcome
from tests.stand_in_signer import (
    HOST,
    NOW,
    PATIENCE,
    SERVING,
    Answerer,
    Files,
    StandInSigner,
    certify,
    issues,
    refuses,
    says,
)


def run(files: Files, task: str = "request", mask: int = -1) -> Outcome:
    """Run the process, and return what it prints. ``mask``: its umask."""
    line = [sys.executable, "-m", "sovereign_operator.sidecar.certificate", task, str(files.identity), str(files.own)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=PATIENCE, umask=mask)
    assert (done.returncode, done.stderr) == (0, "")
    return Outcome.parse(done.stdout)


def pair(content: bytes) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Return the key and the certificate of credentials, which belong together."""
    key, (certificate, *_) = read_key(content), certificates.read(content)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert certificates.same_key(key.public_key(), certificate.public_key())
    return key, certificate


def left(files: Files) -> list[str]:
    return sorted(path.name for path in files.own.iterdir())


def test_it_gets_a_certificate_for_a_new_key(tmp_path: Path) -> None:
    signer = StandInSigner(issues(refresh_seconds=77))
    with signer.serve() as address:
        files = Files.make(tmp_path, address)
        outcome = run(files)
    key, certificate = pair(files.credentials.read_bytes())
    end = certificate.not_valid_after_utc.isoformat()
    assert outcome == Outcome(Kind.ISSUED, f"got a certificate that is valid until {end}", 77)
    asked = signer.next_request()
    assert (asked.path, asked.token, asked.content_type) == ("/certificate", "token-1", "application/pkcs10")
    assert (asked.tls, asked.host) == ("TLSv1.3", HOST)
    assert asked.public_key == key.public_key()
    assert isinstance(asked.public_key.curve, ec.SECP256R1)


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_only_its_user_may_read_the_key(tmp_path: Path, mask: int) -> None:
    with StandInSigner(issues()).serve() as address:
        files = Files.make(tmp_path, address)
        (files.own / "credentials.new").write_text("an attempt that was killed left this")
        (files.own / "credentials.new").chmod(0o666)
        assert run(files, mask=mask).kind is Kind.ISSUED
    assert left(files) == [sidecar.CREDENTIALS]
    assert stat.S_IMODE(files.credentials.stat().st_mode) == 0o400
    key = pair(files.credentials.read_bytes())[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    holders = [path for path in tmp_path.rglob("*") if path.is_file() and key in path.read_bytes()]
    assert holders == [files.credentials]


def test_each_request_has_a_key_of_its_own_and_moves_a_file_to_its_place(tmp_path: Path) -> None:
    with StandInSigner(issues()).serve() as address:
        files = Files.make(tmp_path, address)
        run(files)
        first = pair(files.credentials.read_bytes())[0]
        with files.credentials.open("rb") as before:
            run(files)
            assert pair(before.read())[0].private_numbers() == first.private_numbers(), "it was written in place"
    assert pair(files.credentials.read_bytes())[0].private_numbers() != first.private_numbers()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (
            refuses(403, "PodGone", "the pod does not exist"),
            Outcome(Kind.DENIED, "the signer refuses this pod a certificate: PodGone: the pod does not exist"),
        ),
        (
            refuses(503, "UnknownPolicy", retry_after="17"),
            Outcome(Kind.DELAYED, "the signer issues no certificate yet: UnknownPolicy: see the runbook", 17),
        ),
        (
            refuses(401, "InvalidToken", "no token of this cluster"),
            Outcome(Kind.FAILED, "the signer does not accept the pod's token: InvalidToken: no token of this cluster"),
        ),
    ],
)
def test_it_reports_what_the_signer_answers(tmp_path: Path, answer: Answerer, outcome: Outcome) -> None:
    with StandInSigner(answer).serve() as address:
        files = Files.make(tmp_path, address)
        assert run(files) == outcome
    assert left(files) == []


def chain_of_another_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    chain = certify(key, NOW, NOW + timedelta(hours=20))
    return json.dumps({"certificateChain": chain, "refreshInSeconds": 3600}).encode()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (says(200, b"x" * (LARGEST + 1)), "status 200 and content of more than 65536 bytes"),
        (says(200, b"<html>", {"Content-Type": "text/html"}), "status 200 and content that is not JSON"),
        (says(200, b"[" * 60_000), "content that is not JSON"),
        (says(200, b'{"certificateChain": "none", "refreshInSeconds": 1}'), "the signer's certificates cannot be used"),
        (says(200, b'{"certificateChain": "", "refreshInSeconds": 0}'), "does not understand"),
        (says(200, chain_of_another_key()), "the signer's certificate is for another key"),
        (says(302, b"", {"Location": "https://elsewhere.example.org/"}), "status 302 and content that is not JSON"),
        (says(403, b"{}"), "status 403 and content that this sidecar does not understand"),
    ],
)
def test_an_answer_that_is_of_no_use_is_a_failure_and_changes_nothing(
    tmp_path: Path, answer: Answerer, message: str
) -> None:
    with StandInSigner(issues(), answer).serve() as address:
        files = Files.make(tmp_path, address)
        run(files)
        before = files.credentials.read_bytes()
        outcome = run(files)
    assert outcome.kind is Kind.FAILED
    assert message in outcome.message
    assert files.credentials.read_bytes() == before
    assert left(files) == [sidecar.CREDENTIALS]


@pytest.mark.parametrize(
    ("expected", "served", "authority", "message"),
    [
        (HOST, HOST, make_authority([HOST], NOW), "certificate verify failed"),
        (HOST, "elsewhere.example.org", SERVING, "Hostname mismatch"),
        ("127.0.0.1", HOST, SERVING, "IP address mismatch"),
    ],
    ids=["another authority", "another host", "an address for a name"],
)
def test_it_gives_its_token_to_the_signer_alone(
    tmp_path: Path, expected: str, served: str, authority: object, message: str
) -> None:
    signer = StandInSigner(issues())
    with signer.serve(served) as address:
        files = Files.make(tmp_path, address, host=expected, authority=authority)  # type: ignore[arg-type]
        outcome = run(files)
    assert outcome.kind is Kind.FAILED
    assert message in outcome.message
    assert signer.count == 0


def test_it_speaks_no_older_tls(tmp_path: Path) -> None:
    signer = StandInSigner(issues())
    with signer.serve(newest=ssl.TLSVersion.TLSv1_2) as address:
        assert "alert protocol version" in run(Files.make(tmp_path, address)).message
    assert signer.count == 0


def test_authorities_of_the_image_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = StandInSigner(issues())
    (tmp_path / "ca.pem").write_bytes(SERVING.certificate_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with signer.serve() as address:
        files = Files.make(tmp_path, address, authority=make_authority([HOST], NOW))
        assert "certificate verify failed" in run(files).message
    assert signer.count == 0


def closed_address() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"


def test_it_tries_each_address(tmp_path: Path) -> None:
    signer = StandInSigner(issues())
    with signer.serve() as address:
        files = Files.make(tmp_path, closed_address(), "[::1]:1", address, closed_address())
        assert run(files).kind is Kind.ISSUED
    assert signer.count == 1


def test_it_names_each_address_that_does_not_answer_in_the_same_order(tmp_path: Path) -> None:
    """A message that changes would be logged at each attempt."""
    files = Files.make(tmp_path, *(f"127.0.0.1:{port}" for port in range(1, 9)))
    first, second = run(files), run(files)
    assert first == second
    assert first.message.startswith("no answer from the signer: 127.0.0.1 port 1: [Errno 111] Connection refused; ")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (sidecar.TOKEN, "", "token holds no token"),
        (sidecar.TOKEN, "a\r\nHost: elsewhere", "token holds no token"),
        (sidecar.SIGNER_CA, "", "signer-ca.pem holds no certificates"),
        (sidecar.SIGNER_CA, "nonsense", "signer-ca.pem holds no certificates"),
        (sidecar.SIGNER_ADDRESSES, "{", "signer.json is malformed"),
        (sidecar.SIGNER_ADDRESSES, '{"host": "a", "addresses": []}', "neither a host nor addresses"),
        (sidecar.SIGNER_ADDRESSES, '{"host": "a", "addresses": ["signer:443"]}', "signer.json is malformed"),
        (sidecar.SIGNER_ADDRESSES, '{"host": "a", "addresses": [443]}', "not an address: 443"),
        (sidecar.SIGNER_ADDRESSES, None, "a file of this pod cannot be read"),
    ],
)
def test_a_file_that_is_of_no_use_is_a_failure(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    files = Files.make(tmp_path, closed_address())
    if content is None:
        (files.identity / name).unlink()
    else:
        files.give(name, content)
    outcome = run(files)
    assert outcome.kind is Kind.FAILED
    assert message in outcome.message


def credentials(begin: timedelta, end: timedelta) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    now = datetime.now(UTC).replace(microsecond=0)
    return pem + certify(key.public_key(), now + begin, now + end).encode()


def valid() -> bytes:
    return credentials(-timedelta(hours=19), timedelta(hours=1))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (valid, Kind.ISSUED),
        (lambda: credentials(-timedelta(hours=20), timedelta(seconds=30)), Kind.UNUSABLE),
        (lambda: credentials(timedelta(hours=1), timedelta(hours=20)), Kind.UNUSABLE),
        (lambda: valid().partition(b"-----BEGIN CERTIFICATE")[0], Kind.UNUSABLE),
        (lambda: valid()[:-100], Kind.UNUSABLE),
        (lambda: b"", Kind.UNUSABLE),
    ],
    ids=["valid", "ends soon", "not yet", "no certificate", "cut off", "empty"],
)
def test_it_uses_credentials_of_an_earlier_start_while_they_are_valid(
    tmp_path: Path, make: Callable[[], bytes], kind: Kind
) -> None:
    files = Files.make(tmp_path)
    files.credentials.write_bytes(make())
    outcome = run(files, "check")
    assert (outcome.kind, outcome.seconds) == (kind, 0)
    assert "of an earlier start" in outcome.message


def test_it_uses_no_certificate_of_another_key(tmp_path: Path) -> None:
    files = Files.make(tmp_path)
    mark = b"-----BEGIN CERTIFICATE"
    files.credentials.write_bytes(valid().partition(mark)[0] + mark + valid().partition(mark)[2])
    assert run(files, "check").message.endswith("the certificate is for another key")
