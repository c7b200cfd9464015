"""External programs that verify our certificates: OpenSSL, and one that uses Go's library."""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

Judge = Callable[[Sequence[x509.Certificate], x509.Certificate, datetime], str]
"""Returns what is wrong with a leaf (the second argument) under these roots at this time; "" if it is valid."""


def ask_openssl(roots: Sequence[x509.Certificate], leaf: x509.Certificate, now: datetime) -> str:
    with tempfile.TemporaryDirectory() as folder:
        files = _write(Path(folder), roots, leaf)
        for purpose in ("sslserver", "sslclient"):
            if fault := _run(
                *("openssl", "verify", "-x509_strict", "-check_ss_sig", "-no-CApath", "-no-CAstore"),
                *("-purpose", purpose, "-attime", str(int(now.timestamp())), "-CAfile", *files),
            ):
                return fault
    return ""


def make_go_judge(program: Path) -> Judge:
    def ask_go(roots: Sequence[x509.Certificate], leaf: x509.Certificate, now: datetime) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return _run(str(program), "verify", *_write(Path(folder), roots, leaf), now.isoformat())

    return ask_go


def _write(folder: Path, roots: Sequence[x509.Certificate], leaf: x509.Certificate) -> tuple[str, str]:
    (folder / "roots.pem").write_bytes(b"".join(root.public_bytes(Encoding.PEM) for root in roots))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    return str(folder / "roots.pem"), str(folder / "leaf.pem")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stderr or done.stdout or "it failed") if done.returncode else ""
