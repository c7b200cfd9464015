"""What applications see when they connect: see tcp_cases.py."""

import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from hack.dataplane.netns import IMPATIENCE, Listener, family_of
from hack.dataplane.pods import PATIENCE
from tests.dataplane.links import APP_USER
from tests.dataplane.talk import Echo
from tests.dataplane.tcp_ends import Ends, attempt, question

BURST: Final = 200
SHORT: Final = 300
PORT_RANGE: Final = "net.ipv4.ip_local_port_range"
FIRST_PORT: Final = 50_000
FEW: Final = 100
LOOK: Final = "timeout 1 bash -c 'read -rN1 < /dev/tcp/HOST/PORT'; test $? -ne 1"
"""Succeeds if somebody listens: then the connection stays open, or something is read."""
LOOK_BY_NC: Final = "sleep 2 | timeout 1 nc HOST PORT > /dev/null; test $? -gt 1"
"""The same by BusyBox, which has no /dev/tcp. Once nothing more can come from its input, nc would close its side, and
the server might end the connection for it: so the input stays open for longer."""


def nobody_listens(ends: Ends) -> str:
    """Connect to a port without a listener."""
    return attempt(ends.client, ends.address, ends.port)


def nobody_listens_to_outside(ends: Ends) -> str:
    """The same from the node, as a load balancer or a monitor outside does."""
    return attempt(ends.node, ends.address, ends.port)


def somebody_listens_to_outside(ends: Ends) -> str:
    """A monitor that only looks whether the port is open."""
    with ends.listen().bound:
        return attempt(ends.node, ends.address, ends.port, IMPATIENCE)


def looks_for_a_second(ends: Ends) -> str:
    """Run LOOK: only a connection that somebody has accepted stays open."""
    return _looks(ends, LOOK, "sh")


def looks_by_nc(ends: Ends) -> str:
    """Run LOOK_BY_NC as an image of BusyBox does: with its own nc, sleep and timeout."""
    return _looks(ends, LOOK_BY_NC, "busybox", "sh")


def _looks(ends: Ends, command: str, *shell: str) -> str:
    script = command.replace("HOST", ends.address).replace("PORT", str(ends.port))
    line = ["nsenter", f"--net=/run/netns/{ends.client.name}", *shell, "-c", script]

    def look() -> str:
        return "not there" if subprocess.run(line, stderr=subprocess.DEVNULL, check=False).returncode else "there"

    before = look()
    with ends.listen().bound:
        return f"{before}, then {look()}"


def packets_are_lost(ends: Ends) -> str:
    """Connect to an address from which nothing comes back."""
    with ends.cut():
        return attempt(ends.client, ends.address, ends.port, IMPATIENCE)


def network_refuses(ends: Ends) -> str:
    """Connect to a Service without pods: the node answers that there is nothing."""
    with ends.cut("reject with icmpx port-unreachable"):
        return attempt(ends.client, ends.address, ends.port)


def no_route(ends: Ends) -> str:
    """Connect to an address to which there is no route."""
    with ends.cut("reject with icmpx host-unreachable"):
        return attempt(ends.client, ends.address, ends.port)


def server_is_busy(ends: Ends) -> str:
    """Connect to a server that accepts nothing, and whose queue is full."""
    with ExitStack() as stack:
        bound = stack.enter_context(ends.listen().bound)
        bound.listen(0)
        stack.enter_context(ends.server.connect(ends.address, ends.port))
        return attempt(ends.client, ends.address, ends.port, IMPATIENCE)


def fast_open(ends: Ends) -> str:
    """The client sends its first words with TCP Fast Open."""
    with ends.listen().bound as bound, ends.client.open(family_of(ends.address), uid=APP_USER) as client:
        client.settimeout(None)
        client.sendto(b"?", socket.MSG_FASTOPEN, (ends.address, ends.port))
        with Listener(bound, APP_USER).accept() as server:
            return f"{server.recv(8).decode()} arrives"


def to_itself(ends: Ends) -> str:
    """The client connects to its own address."""
    with Echo(ends.client, ends.port, address=ends.own):
        heard = question(ends, ends.own)
    return f"{heard}; once nobody listens, {attempt(ends.client, ends.own, ends.port)}"


def to_its_own_service(ends: Ends) -> str:
    """The client connects to a Service, which leads to itself."""
    with Echo(ends.client, ends.port, address=ends.own):
        return question(ends, ends.service)


def to_a_node(ends: Ends) -> str:
    """The client connects to what listens on a node."""
    with Echo(ends.node, ends.port, address=ends.machine):
        return question(ends, ends.machine)


def a_burst(ends: Ends) -> str:
    """Many connections at once."""
    with Echo(ends.server, ends.port, address=ends.address), ExitStack() as stack:
        opened = [ends.client.open(family_of(ends.address), uid=APP_USER, wait=PATIENCE) for _ in range(BURST)]
        for one in opened:
            stack.enter_context(one)
            one.setblocking(False)
            one.connect_ex((ends.address, ends.port))
        for one in opened:
            one.settimeout(PATIENCE)
            one.sendall(b"hello")
        answers = {one.recv(5, socket.MSG_WAITALL) for one in opened}
    return "all are answered" if answers == {b"hello"} else "not all are answered"


def short_ones(ends: Ends) -> str:
    """Many connections, one after another."""
    with Echo(ends.server, ends.port, address=ends.address):

        def talk() -> set[bytes]:
            answers = set()
            for _ in range(SHORT):
                with socket.create_connection((ends.address, ends.port), PATIENCE) as one:
                    one.sendall(b"hello")
                    answers.add(one.recv(5, socket.MSG_WAITALL))
            return answers

        return "all are answered" if ends.client.within(talk) == {b"hello"} else "not all are answered"


def ports_run_out(ends: Ends) -> str:
    """The client opens connections to one server for as long as it has ports."""
    before = ends.client.within(Path("/proc/sys", *PORT_RANGE.split(".")).read_text).strip()
    ends.client.sysctl(PORT_RANGE, f"{FIRST_PORT} {FIRST_PORT + FEW - 1}")
    try:
        with Echo(ends.server, ends.port, address=ends.address), ExitStack() as stack:
            for number in range(FEW + 1):
                try:
                    one = stack.enter_context(ends.connect())
                    one.sendall(b"hello")
                    if one.recv(5, socket.MSG_WAITALL) != b"hello":
                        return f"{number} of {FEW}, then ends"
                except OSError as error:
                    return f"{number} of {FEW}, then {error.strerror}"
            return "no end"
    finally:
        ends.client.sysctl(PORT_RANGE, before)
