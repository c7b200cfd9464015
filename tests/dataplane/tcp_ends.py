"""Two applications between which something is tried, with or without sidecars, and how to say what they see."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from hack.dataplane.netns import Listener, Net
from hack.dataplane.pods import PATIENCE
from tests.dataplane.links import APP_USER
from tests.dataplane.talk import said

MUCH: Final = b"x" * (1 << 20)
HELLO: Final = b"hello"
SILENCE: Final = "nothing comes"
CUT: Final = """
table inet cut {{
    chain forward {{
        type filter hook forward priority 0
        tcp dport {port} {verdict}
    }}
}}
"""


@dataclass(frozen=True)
class Ends:
    """Two pods and the node between them, with their addresses of one family."""

    client: Net
    server: Net
    node: Net
    own: str
    """The client's address."""
    address: str
    """The server's."""
    service: str
    """That of a Service whose only pod is the client."""
    machine: str
    """That of the node, outside clusterNetworks."""
    port: int
    """The port of the application; no other case uses it."""

    def connect(self) -> socket.socket:
        """Connect from the client to the server."""
        return self.client.connect(self.address, self.port, uid=APP_USER, wait=PATIENCE)

    def listen(self) -> Listener:
        """Listen on the server."""
        return self.server.listen(self.address, self.port, uid=APP_USER)

    @contextmanager
    def connected(self, hello: bytes = HELLO) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Connect, and yield the client's and the server's end. The client has sent the first words, and nothing else.

        Without them, a sidecar waits for a second in plaintext, and with it the test.
        """
        with self.listen().bound as bound, self.connect() as client:
            client.sendall(hello)
            with Listener(bound, APP_USER).accept() as server:
                server.settimeout(PATIENCE)
                assert server.recv(len(hello), socket.MSG_WAITALL) == hello
                yield client, server

    @contextmanager
    def cut(self, verdict: str = "drop") -> Iterator[None]:
        """Have the node drop packets for the server, or do something else with them."""
        self.node.nft(CUT.format(port=self.port, verdict=verdict))
        try:
            yield
        finally:
            self.node.nft("delete table inet cut")


def end_of(connection: socket.socket) -> str:
    """Read until the connection ends, and say how."""
    got = 0
    try:
        while more := len(connection.recv(len(MUCH))):
            got += more
    except ConnectionResetError:
        return f"{got} bytes, then is reset" if got else "is reset"
    except TimeoutError:
        return f"{got} bytes, then {SILENCE}" if got else SILENCE
    return f"{got} bytes, then ends" if got else "ends"


def attempt(net: Net, address: str, port: int, wait: float = PATIENCE) -> str:
    """Connect, and say what became of it."""
    try:
        with net.connect(address, port, uid=APP_USER, wait=wait) as connection:
            return f"opens, then {end_of(connection)}"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "waits"
    except OSError as error:
        return error.strerror or ""


def question(ends: Ends, address: str) -> str:
    """Have the client ask an echo."""
    return "an answer" if said(ends.client, address, ends.port, b"hello") == b"hello" else "no answer"
