"""A signed report is verified by the commands that the page shows, with OpenSSL alone."""

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sovereign_operator.cli.commands.report import _file
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.filing import SUFFIX, read_key, sign, write_file
from tests.documents import REFERENCE, blocks
from tests.unit.cli.signing import KEYS, write_key

WEAK = rsa.generate_private_key(65537, 1024)
CONTENT = b"<!DOCTYPE html>\n" * 1000
COMMANDS = [
    line
    for block in blocks(REFERENCE / "kubectl-sovereign.md", "")
    for line in block.splitlines()
    if line.startswith("openssl ")
]


def verify(folder: Path) -> list[int]:
    """Run the commands of the page, and return how each ended."""
    return [
        subprocess.run(command.split(), cwd=folder, capture_output=True, check=False).returncode for command in COMMANDS
    ]


@pytest.mark.parametrize("kind", KEYS)
def test_openssl_verifies_a_report_and_notices_a_change(tmp_path: Path, kind: str) -> None:
    key = read_key(write_key(tmp_path, KEYS[kind]))
    write_file(str(tmp_path / "report.html"), CONTENT)
    write_file(str(tmp_path / f"report.html{SUFFIX}"), sign(key, CONTENT))
    assert verify(tmp_path) == [0, 0]
    write_file(str(tmp_path / "report.html"), CONTENT.replace(b"html", b"htmI", 1))
    assert verify(tmp_path) == [0, 1]


def test_keys_in_the_older_forms_of_openssl_are_read(tmp_path: Path) -> None:
    for kind in ("p256", "rsa"):
        read_key(write_key(tmp_path, KEYS[kind], form=PrivateFormat.TraditionalOpenSSL))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is no private key in PEM"),
        (
            KEYS["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "is no private key in PEM",
        ),
        (
            WEAK.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "has 1024 bits, which is too weak: --sign takes Ed25519, ECDSA or RSA",
        ),
        (
            x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "cannot sign with the kind of key",
        ),
    ],
)
def test_what_cannot_sign_is_an_error(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(CliError, match=words):
        read_key(str(path))


def test_a_key_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="cannot be read: No such file or directory: correct --sign"):
        read_key(str(tmp_path / "none"))


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_key(tmp_path, KEYS["p256"], hidden=BestAvailableEncryption(b"right"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(CliError, match="is encrypted, and there is no terminal"):
        read_key(path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _: "wrong")
    with pytest.raises(CliError, match="this is not the passphrase"):
        read_key(path)
    monkeypatch.setattr("getpass.getpass", lambda _: "right")
    assert read_key(path)


def test_a_file_is_replaced_as_a_whole_and_readable_as_others_are(tmp_path: Path) -> None:
    path, other = tmp_path / "report.html", tmp_path / "other"
    other.write_text("x")
    path.write_text("before")
    write_file(str(path), b"after")
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode == other.stat().st_mode
    assert {found.name for found in tmp_path.iterdir()} == {"report.html", "other"}


def test_a_link_stays_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "kept.html", tmp_path / "report.html"
    target.write_text("before")
    target.chmod(0o600)
    link.symlink_to(target)
    write_file(str(link), b"after")
    assert link.is_symlink()
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"after", 0o600)


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_file(str(pipe), b"after")
        assert os.read(reader, 100) == b"after"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_the_signature_of_a_former_report_does_not_stay_beside_another(tmp_path: Path) -> None:
    path, key = str(tmp_path / "report.html"), write_key(tmp_path, KEYS["ed25519"])
    assert _file(CONTENT, path, read_key(key)) == f"{path}{SUFFIX}: its signature"
    assert "removed, as it was the signature of a former report" in _file(b"other", path, None)
    assert not Path(f"{path}{SUFFIX}").exists()
    assert _file(b"other", path, None) == ""


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="cannot be written: No such file or directory: correct --output-file"):
        write_file(str(tmp_path / "none" / "report.html"), b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CliError, match="cannot be written"):
        write_file(str(tmp_path / "folder"), b"x")
    assert [found.name for found in tmp_path.iterdir()] == ["folder"]
