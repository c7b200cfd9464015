"""Sends a request for a certificate to the signer, and returns its answer.

Token, authorities and addresses are read again for each request, because the kubelet renews them. Only the short-lived
process imports this module: TLS and HTTP take memory.
"""

import ipaddress
import json
import random
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final, NamedTuple

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.sidecar.answers import LARGEST, Answer

STEP_SECONDS: Final = 10.0
"""How long each step in the network may take: to connect, to send, and to receive the next bytes."""

Address = tuple[str, int]


class NoAnswerError(Exception):
    """There is no answer. The text says why; it is the same for the same reason, so that it is logged once."""


class Signer(NamedTuple):
    """Where the signer is."""

    host: str
    """The name in its certificate."""
    addresses: tuple[Address, ...]
    """IP addresses with ports, in the order in which they are tried."""

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """Parse the file SIGNER_ADDRESSES. Raises ValueError if it is malformed, or has no address."""
        match json.loads(text):
            case {"host": str(host), "addresses": [_, *_] as addresses} if host:
                return cls(host, tuple(map(_parse_address, addresses)))
        raise ValueError("neither a host nor addresses")


class Request(NamedTuple):
    """What is sent, and what the connection is verified with."""

    signer: Signer
    headers: Mapping[str, str]
    content: bytes
    tls: ssl.SSLContext


def ask(folder: Path, content: bytes) -> Answer:
    """Send a PKCS#10 request with the files of a folder. The first address that answers counts.

    Raises NoAnswerError.
    """
    request = _prepare(folder, content)
    errors = {}
    # At random, so that not all sidecars ask the same replica.
    for address in random.sample(request.signer.addresses, len(request.signer.addresses)):
        try:
            return _send(request, address)
        except (OSError, HTTPException) as error:
            errors[address] = f"{address[0]} port {address[1]}: {error or type(error).__name__}"
    raise NoAnswerError(f"no answer from the signer: {'; '.join(sorted(errors.values()))}")


def _prepare(folder: Path, content: bytes) -> Request:
    try:
        token, authorities, signer = (
            (folder / name).read_text(encoding="ascii").strip()
            for name in (sidecar.TOKEN, sidecar.SIGNER_CA, sidecar.SIGNER_ADDRESSES)
        )
    except (OSError, ValueError) as error:
        raise NoAnswerError(f"a file of this pod cannot be read: {error}") from error
    if not token.isprintable() or not token:
        raise NoAnswerError(f"{folder / sidecar.TOKEN} holds no token")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/pkcs10"}
    try:
        context = _make_context(authorities)
    except ValueError as error:
        raise NoAnswerError(f"{folder / sidecar.SIGNER_CA} holds no certificates: {error}") from error
    try:
        return Request(Signer.parse(signer), headers, content, context)
    except (ValueError, RecursionError) as error:
        raise NoAnswerError(f"{folder / sidecar.SIGNER_ADDRESSES} is malformed: {error}") from error


def _make_context(authorities: str) -> ssl.SSLContext:
    """Return a context that trusts these authorities alone, and verifies the host. Raises ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cadata=authorities)
    except ssl.SSLError as error:
        raise ValueError(error) from error
    return context


def _send(request: Request, address: Address) -> Answer:
    """Send the request to an address, and return the answer. Raises OSError and HTTPException."""
    connection = HTTPSConnection(request.signer.host, timeout=STEP_SECONDS, context=request.tls)
    try:
        plain = socket.create_connection(address, STEP_SECONDS)
        # With a socket that is there, the connection connects to no other: to the address, by the name of the host.
        connection.sock = request.tls.wrap_socket(plain, server_hostname=request.signer.host)
        connection.request("POST", sidecar.CERTIFICATE_PATH, request.content, dict(request.headers))
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers.get("Retry-After", ""), answer.read(LARGEST + 1))
    finally:
        connection.close()


def _parse_address(text: object) -> Address:
    """Parse an address such as ``10.96.0.17:443`` or ``[fd00::17]:443``. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"not an address: {text}")  # noqa: TRY004 - what a file holds is a value
    host, _, port = text.rpartition(":")
    return str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))), int(port)
