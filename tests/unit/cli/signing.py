"""Private keys, as auditors have them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from sovereign_operator.cli.filing import Key

KEYS: Final[Mapping[str, Key]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
}
"""By kind."""


def write_key(
    folder: Path,
    key: Any = KEYS["ed25519"],
    *,
    form: PrivateFormat = PrivateFormat.PKCS8,
    hidden: KeySerializationEncryption | None = None,
) -> str:
    """Write a private key into a file, as the page calls it, and return its path."""
    path = folder / "auditor.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, form, hidden or NoEncryption()))
    return str(path)
