"""One attempt to get a certificate: ``python -m sovereign_operator.sidecar.certificate request IDENTITY OWN``.

IDENTITY and OWN are the folders IDENTITY_FOLDER and OWN_FOLDER of the contract. The process makes a key, asks the
signer for a certificate, writes both into OWN, prints an outcome (outcome.py) and ends. With ``check`` in place of
``request`` it looks at the credentials that an earlier start of the container left. It never runs for longer than
DEADLINE seconds. It is a process of its own because what it imports would otherwise stay in memory beside Envoy: with
Python 3.11 it has 33.7 MiB (RSS), of which 14.7 are its own and the rest are programs and libraries.
"""

import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.pki import certificates
from sovereign_operator.pki.authority import read_key
from sovereign_operator.sidecar.answers import judge
from sovereign_operator.sidecar.outcome import Kind, Outcome
from sovereign_operator.sidecar.signer_client import NoAnswerError, ask

DEADLINE: Final = 60
"""Seconds until the kernel ends the process (SIGALRM), whatever it waits for."""
LEAST_LEFT: Final = timedelta(minutes=1)
"""How long credentials of an earlier start must still be valid.

They are used even if little of their time is left, as the next ones are requested at once. If that fails, connections
work until they end; without them, there would be none.
"""
_MODE: Final = 0o400


def request(identity: Path, own: Path) -> Outcome:
    """Ask the signer for a certificate for a new key, and write both. The key is written nowhere else."""
    key = ec.generate_private_key(ec.SECP256R1())
    unsigned = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    content = unsigned.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    try:
        answer = judge(ask(identity, content))
    except NoAnswerError as error:
        return Outcome(Kind.FAILED, str(error))
    if isinstance(answer, Outcome):
        return answer
    try:
        chain = certificates.read(answer.chain.encode())
    except ValueError as error:
        return Outcome(Kind.FAILED, f"the signer's certificates cannot be used: {error}")
    if not certificates.same_key(chain[0].public_key(), key.public_key()):
        return Outcome(Kind.FAILED, "the signer's certificate is for another key")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        write(own, private + certificates.write(chain))
    except OSError as error:
        return Outcome(Kind.FAILED, f"the certificate cannot be written: {error}")
    return Outcome(Kind.ISSUED, f"got a certificate that is valid until {_end(chain[0])}", answer.refresh_seconds)


def check(own: Path, now: datetime) -> Outcome:
    """Look at the credentials of an earlier start. If they are valid, others are requested at once all the same.

    When those are due is not known, and the authority of these may have been withdrawn meanwhile.
    """
    try:
        content = (own / sidecar.CREDENTIALS).read_bytes()
        key, chain = read_key(content), certificates.read(content)
    except (OSError, ValueError) as error:
        return _unusable(error)
    begin, end = chain[0].not_valid_before_utc, chain[0].not_valid_after_utc
    if not certificates.same_key(chain[0].public_key(), key.public_key()):
        return _unusable("the certificate is for another key")
    if not begin <= now <= end - LEAST_LEFT:
        return _unusable(f"the certificate is valid until {_end(chain[0])}")
    return Outcome(Kind.ISSUED, f"the certificate of an earlier start is valid until {_end(chain[0])}")


def write(own: Path, content: bytes) -> None:
    """Write the credentials. Envoy watches the folder, and loads a file that is moved into it."""
    path = own / sidecar.CREDENTIALS
    new = path.with_suffix(".new")
    # An attempt that was killed may have left it.
    with suppress(FileNotFoundError):
        new.unlink()
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:  # noqa: PTH123
        file.write(content)
    new.replace(path)


def main() -> None:
    """Do what the arguments say, and print the outcome."""
    signal.alarm(DEADLINE)
    task, identity, own = sys.argv[1:]
    outcome = check(Path(own), datetime.now(UTC)) if task == "check" else request(Path(identity), Path(own))
    print(outcome)  # noqa: T201 - supervise.py reads it


def _unusable(why: object) -> Outcome:
    return Outcome(Kind.UNUSABLE, f"the credentials of an earlier start cannot be used: {why}")


def _end(certificate: x509.Certificate) -> str:
    return certificate.not_valid_after_utc.isoformat()


if __name__ == "__main__":
    main()
