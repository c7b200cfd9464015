"""What applications see on open connections: see tcp_cases.py."""

import array
import fcntl
import socket
import termios
from contextlib import ExitStack
from typing import Final

from hack.dataplane.netns import IMPATIENCE, Listener
from hack.dataplane.pods import PATIENCE
from hack.kubectl import TimedOutError, eventually
from tests.dataplane.links import APP_USER
from tests.dataplane.talk import RESET, exchange
from tests.dataplane.tcp_ends import MUCH, Ends, end_of

LATE_SECONDS: Final = 3
"""Longer than a sidecar looks for mutual TLS, and than a new connection waits for anything else."""
EXPEDITED: Final = 46 << 2
"""The type of service of voice (DSCP EF)."""
COUNT: Final = """
table {family} marked {{
    counter marked {{ }}
    chain forward {{
        type filter hook forward priority 0
        tcp dport {port} {family} dscp ef counter name marked
    }}
}}
"""


def server_resets(ends: Ends) -> str:
    """The server resets an open connection."""
    with ends.connected() as (client, server):
        exchange(client, server)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        server.close()
        return end_of(client)


def client_resets(ends: Ends) -> str:
    """The client resets an open connection."""
    with ends.connected() as (client, server):
        exchange(client, server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        return end_of(server)


def server_closes_unread(ends: Ends) -> str:
    """The server closes a connection without having read what came: the kernel resets it."""
    with ends.connected() as (client, server):
        client.sendall(b"question")
        assert server.recv(1, socket.MSG_PEEK)
        server.close()
        return end_of(client)


def client_closes_first_half(ends: Ends) -> str:
    """The client has sent everything, and then gets its answer."""
    with ends.connected() as (client, server):
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        heard = end_of(server)
        server.sendall(b"answer")
        server.close()
        return f"{heard}; answer: {end_of(client)}"


def server_closes_first_half(ends: Ends) -> str:
    """The server has sent everything, and goes on reading."""
    with ends.connected() as (client, server):
        server.sendall(b"greeting")
        server.shutdown(socket.SHUT_WR)
        heard = end_of(client)
        client.sendall(b"upload")
        client.close()
        return f"{heard}; upload: {end_of(server)}"


def client_sends_to_a_server_that_has_closed(ends: Ends) -> str:
    """The client goes on sending to a server that is gone, until it is told."""
    with ends.connected() as (client, server):
        server.close()
        heard = end_of(client)

        def told() -> bool:
            try:
                client.sendall(b"more")
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        eventually(told, seconds=PATIENCE, what="an error")
        return f"{heard}; sending more fails"


def a_lot_is_sent(ends: Ends) -> str:
    """A server sends a lot and closes at once."""
    with ends.connected() as (client, server), ExitStack() as stack:
        stack.callback(server.close)
        server.setblocking(False)
        sent = got = 0
        while sent < 2 * len(MUCH):
            try:
                sent += server.send(MUCH[: 2 * len(MUCH) - sent])
            except BlockingIOError:
                got += len(client.recv(len(MUCH)))
        server.close()
        rest = end_of(client)
        return f"everything, {rest.partition(' bytes, ')[2]}" if got + int(rest.split()[0]) == sent else rest


def reader_stops(ends: Ends) -> str:
    """A client that reads nothing makes the server wait; nothing is lost."""
    with ends.connected() as (client, server):
        server.settimeout(IMPATIENCE)
        sent = 0
        try:
            while sent < 64 * len(MUCH):
                sent += server.send(MUCH)
        except TimeoutError:
            server.close()
            found = end_of(client)
            return "the sender waits; everything, then ends" if found == f"{sent} bytes, then ends" else found
        return "the sender does not wait"


def urgent_data(ends: Ends) -> str:
    """A byte of urgent data (MSG_OOB) among others."""
    found = []
    for inline in (0, 1):
        with ends.connected() as (client, server):
            server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, inline)
            client.send(b"ab")
            client.send(b"!", socket.MSG_OOB)
            client.send(b"cd")
            client.close()
            words = b""
            while more := server.recv(1):
                words += more
            found.append(words.decode())
    return f"{found[0]} read, {found[1]} with SO_OOBINLINE"


def first_word_is_one_byte(ends: Ends) -> str:
    """The client's first word is one byte, and it waits for an answer before it says more."""
    with ends.connected(b"") as (client, server):
        client.sendall(b"?")
        heard = server.recv(8)
        server.sendall(b"!")
        return f"{heard.decode()} arrives, then {client.recv(8).decode()}"


def first_word_is_late(ends: Ends) -> str:
    """The client says nothing for LATE_SECONDS, and then asks."""
    with ends.listen().bound as bound, ends.connect() as client:
        client.settimeout(LATE_SECONDS)
        silence = end_of(client)
        client.settimeout(PATIENCE)
        client.sendall(b"late")
        with Listener(bound, APP_USER).accept() as server:
            heard = server.recv(8)
            server.sendall(b"!")
            return f"{silence}; {heard.decode()} arrives, then {client.recv(8).decode()}"


def server_speaks_first(ends: Ends) -> str:
    """The client says nothing until it is greeted."""
    with ends.connected(b"") as (client, server):
        server.sendall(b"220 ready")
        heard = client.recv(9, socket.MSG_WAITALL)
        client.sendall(b"EHLO")
        return f"{heard.decode()}, {server.recv(4, socket.MSG_WAITALL).decode()}"


def who_is_there(ends: Ends) -> str:
    """What the server sees as the address and port of the client."""
    with ends.connected() as (client, server):
        own, seen = client.getsockname()[:2], server.getpeername()[:2]
        address, port = ("its" if one == other else "another" for one, other in zip(own, seen, strict=True))
        return f"{address} address and {port} port"


def where_it_is(ends: Ends) -> str:
    """What the client sees as the address and port of the server."""
    with ends.connected() as (client, _):
        return "those it connected to" if client.getpeername()[:2] == (ends.address, ends.port) else "others"


def what_is_acknowledged(ends: Ends) -> str:
    """Data that was sent while the network is down: whether the kernel of the client takes it for delivered."""
    with ends.connected() as (client, server):
        client.sendall(b"?")
        server.recv(1)
        with ends.cut():
            client.sendall(b"important")

            def waiting() -> int:
                found = array.array("i", [0])
                fcntl.ioctl(client, termios.TIOCOUTQ, found)
                return found[0]

            try:
                eventually(lambda: not waiting(), seconds=2 * IMPATIENCE, what="delivery")
            except TimedOutError:
                return "no"
            return "yes"


def type_of_service(ends: Ends) -> str:
    """The client marks its packets as those of voice, for switches on the way."""
    with ends.connected() as (client, server):
        six = client.family == socket.AF_INET6
        level, option = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if six else (socket.IPPROTO_IP, socket.IP_TOS)
        family = "ip6" if six else "ip"
        ends.node.nft(COUNT.format(family=family, port=ends.port))
        try:
            client.setsockopt(level, option, EXPEDITED)
            client.sendall(b"?")
            server.recv(1)
            seen = int(ends.node.nft(f"list counters table {family} marked").partition("packets ")[2].split()[0])
        finally:
            ends.node.nft(f"delete table {family} marked")
        return "kept" if seen else "lost"
