"""Which TCP passes in Strict: packets that the sidecar's user owns, and packets that the kernel sends on its behalf.

A packet has an owner while its socket belongs to an open file of a process. Packets of other owners are dropped,
whatever they carry. Many packets have no owner: SYN cookies, answers on a connection that no process has accepted yet,
and the data that a closed socket has still to send. They may belong to an application that took the sidecar's port
while the sidecar was down. So packets without an owner carry no byte of payload in or out, unless the connection is
marked:

- Each packet of the sidecar's user marks its connection (OWNED). An inbound SYN removes the mark, and so does a packet
  of any other owner.
- A SYN cookie is valid for two minutes, whichever process listens by then, even on a connection that the sidecar had.
  So the rules mark the connection (COOKIE), and remove OWNED when the sidecar closes its side of it.

Packets without an owner and without payload pass. So the sidecar stays reachable during a flood of SYNs, which the
kernel answers with cookies; and a port without a listener answers with a reset.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sovereign_operator.core.sidecar.contract import UID

OWNED: Final = 0x4000_0000
COOKIE: Final = 0x2000_0000
"""Bits of a connection's mark (``ct mark``). The rules leave its other bits unchanged."""

SETTLING: Final = "settling"
"""A set that contains ``tcp`` for SETTLING_SECONDS after rules that did not mark connections were replaced. Connections
that the sidecar had closed by then get no mark any more; meanwhile they can send the rest of their data."""
SETTLING_SECONDS: Final = 30

_MARK: Final = f"ct mark set ct mark | {OWNED:#x}"
_UNMARK: Final = f"ct mark set ct mark & {~OWNED & 0xFFFF_FFFF:#x}"
_DATA_OFFSETS: Final = range(5, 16)
"""The possible lengths of a TCP header, in words of 32 bits."""


def settle(table: str) -> str:
    """Return the lines to append to rules that replace rules which did not mark connections."""
    return f"add element inet {table} {SETTLING} {{ tcp timeout {SETTLING_SECONDS}s }}\n"


def settling_set() -> Iterator[str]:
    """Define the set SETTLING."""
    yield "type inet_proto"
    yield "flags timeout"


def refuse_payload(refusal: str) -> Iterator[str]:
    """Refuse TCP segments with payload, and accept all others.

    Each rule compares the first byte behind a header of one length. If the segment has no such byte, the rule does not
    match. Unlike the length of a packet, this does not depend on IP options.
    """
    for words in _DATA_OFFSETS:
        yield f"tcp doff {words} @th,{words * 32},8 >= 0 {refusal}"
    yield "accept"


def owned() -> Iterator[str]:
    """Accept packets that the sidecar's user owns on their way out, and mark their connections."""
    yield f"tcp flags & (fin | rst) != 0 ct mark & {COOKIE:#x} == {COOKIE:#x} {_UNMARK} accept"
    yield f"ct mark & {OWNED:#x} == 0 {_MARK}"
    yield "accept"


def unowned() -> Iterator[str]:
    """Accept packets without an owner on their way out: all on a marked connection, otherwise those without payload."""
    yield f"tcp flags & (syn | ack) == syn | ack ct mark set ct mark | {COOKIE:#x}"
    both = OWNED | COOKIE
    yield f"tcp flags & (fin | rst) != 0 ct mark & {both:#x} == {both:#x} {_UNMARK} accept"
    yield f"ct mark & {OWNED:#x} == {OWNED:#x} accept"
    yield f"meta l4proto @{SETTLING} accept"
    yield "goto bare"


def received() -> Iterator[str]:
    """Accept received packets that are for the sidecar, and of others those without payload.

    The kernel knows the owner of a connection only after a process has accepted it. Before that, the mark decides.
    """
    yield f"meta skuid {UID} accept"
    yield f"meta skuid != {UID} {_UNMARK} drop"
    yield f"ct mark & {OWNED:#x} == {OWNED:#x} accept"
    yield "goto bare"


def forget() -> str:
    """Return the rule that removes the mark when a client outside the pod begins a connection."""
    return f"tcp flags & (syn | ack) == syn {_UNMARK}"


def leave(probed: Sequence[int]) -> Iterator[str]:
    """Accept TCP of the sidecar's user, and answers of TCP probes. Drop that of other owners.

    Packets without an owner pass on to the next rules.
    """
    yield f"meta l4proto tcp meta skuid {UID} goto owned"
    for port in probed:
        yield f"meta l4proto tcp ct original proto-dst {port} ct direction reply accept"
    yield f"meta l4proto tcp meta skuid != {UID} {_UNMARK} drop"
    # A packet without an owner must belong to a connection that conntrack knows already.
    yield "meta l4proto tcp ct state invalid,new drop"
