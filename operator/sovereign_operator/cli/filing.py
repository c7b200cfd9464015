"""Writes a report into a file, with a detached signature if asked, which anybody can verify with OpenSSL alone."""

import getpass
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sovereign_operator.cli.errors import CliError
from sovereign_operator.core.report.conditions import MAX_MESSAGE
from sovereign_operator.core.report.reasons import line

SUFFIX: Final = ".sig"
"""What is added to the name of a file for that of its signature."""
LEAST_RSA_BITS: Final = 2048
"""As NIST SP 800-131A (revision 2, table 2) has it."""
SIGNERS: Final = "Ed25519, ECDSA or RSA (2048 bits and more)"

Key = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def read_key(path: str) -> Key:
    """Read a private key in PEM. Raises CliError. Asks for the passphrase of an encrypted one, at a terminal only."""
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise CliError(f"the key {path} cannot be read: {error.strerror}: correct --sign") from error
    try:
        key: object = load_pem_private_key(content, None)
    except TypeError:
        key = _decrypt(path, content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CliError(f"{path} is no private key in PEM: --sign takes one of {SIGNERS}") from error
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < LEAST_RSA_BITS:
        raise CliError(f"the key {path} has {key.key_size} bits, which is too weak: --sign takes {SIGNERS}")
    if not isinstance(key, Key):
        raise CliError(f"--sign cannot sign with the kind of key in {path}: it takes {SIGNERS}")
    return key


def _decrypt(path: str, content: bytes) -> object:
    if not sys.stdin.isatty():
        raise CliError(f"the key {path} is encrypted, and there is no terminal at which to ask for its passphrase")
    try:
        return load_pem_private_key(content, getpass.getpass(f"Passphrase of {path}: ").encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CliError(f"this is not the passphrase of {path}: try again") from error


def sign(key: Key, content: bytes) -> bytes:
    """Return a signature as ``openssl pkeyutl -verify -rawin`` takes it: of SHA-256, but for Ed25519, which has none.

    RSA: PKCS #1 v1.5, the default of OpenSSL.
    """
    match key:
        case ed25519.Ed25519PrivateKey():
            return key.sign(content)
        case ec.EllipticCurvePrivateKey():
            return key.sign(content, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPrivateKey():
            return key.sign(content, padding.PKCS1v15(), hashes.SHA256())


def write_file(path: str, content: bytes) -> None:
    """Replace a file as a whole, so that nobody reads half of it. Raises CliError.

    A link stays, and what is no file, such as a pipe or /dev/stdout, is written to.
    """
    try:
        target = Path(path).expanduser().resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(content)
            return
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as written:
            _replace(Path(written.name), target, content)
    except OSError as error:
        why = line(error.strerror or str(error), MAX_MESSAGE)
        raise CliError(f"{path} cannot be written: {why}: correct --output-file") from error


def _replace(written: Path, target: Path, content: bytes) -> None:
    """Write a file, and put it in the place of another one."""
    try:
        written.write_bytes(content)
        written.chmod(_mode(target))
        written.replace(target)
    except OSError:
        written.unlink()
        raise


def remove_signature(path: str) -> bool:
    """Remove the signature of a file, if there is one, and return whether there was: it is of what the file was before.

    Raises CliError.
    """
    try:
        Path(f"{path}{SUFFIX}").expanduser().unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CliError(f"{path}{SUFFIX} is of a former report and cannot be removed: {error.strerror}") from error
    return True


def _mode(target: Path) -> int:
    """Return the mode of a file, or that of one that a shell creates: a temporary file is for its owner alone."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
