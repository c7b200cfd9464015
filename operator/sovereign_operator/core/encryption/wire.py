"""How a connection crosses the network."""

from enum import StrEnum


class Wire(StrEnum):
    """How a connection crosses the network."""

    PLAIN = "plain"
    MUTUAL_TLS = "mtls"
