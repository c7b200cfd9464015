"""Sends a running pod the requests of ``tests.workloads.QUESTIONS``, to the pod's own address."""

import socket
from http.client import HTTPConnection
from typing import assert_never

from tests.workloads import Get, Ping

_PATIENCE = 5.0
"""Seconds for a connection and for each answer."""


def ask(address: str, question: Get | Ping) -> str:
    """Return "" if the pod at an IP address answers as expected, else what it did instead."""
    try:
        match question:
            case Get():
                return _ask_http(address, question)
            case Ping():
                return _ask_redis(address, question)
            case _:
                assert_never(question)
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def _ask_http(address: str, question: Get) -> str:
    connection = HTTPConnection(address, question.port, timeout=_PATIENCE)
    try:
        connection.request("GET", question.path)
        response = connection.getresponse()
        content = response.read().decode(errors="replace")
    finally:
        connection.close()
    if response.status != question.status or question.text not in content:
        return f"status {response.status}: {content[:200]}"
    return ""


def _ask_redis(address: str, question: Ping) -> str:
    with socket.create_connection((address, question.port), timeout=_PATIENCE) as connection:
        connection.sendall(b"PING\r\n")
        answer = connection.recv(64)
    return "" if answer == b"+PONG\r\n" else repr(answer)
