"""Which TCP passes in Strict: what the sidecar's user owns, and what the kernel sends on its behalf.

A packet has an owner while its socket belongs to a file of a process. Packets of other owners are dropped, whatever
they carry. Many packets have none: SYN cookies, answers on a connection that nobody has accepted yet, and what a closed
socket has still to send. They may belong to an application that took the sidecar's port while the sidecar was away. So
without an owner no byte passes, in or out, unless the connection is marked:

- Each packet of the sidecar's user marks its connection (OWNED). An inbound SYN takes the mark away, and so does a
  packet of anybody else.
- A SYN cookie is good for two minutes, whichever process listens by then, even on a connection that the sidecar had. So
  the connection remembers it (COOKIE), and loses its mark when the sidecar's side of it ends.

Packets without an owner that carry nothing pass: so a flood of SYNs, which the kernel meets with cookies, does not stop
the sidecar, and a port where nobody listens is refused.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sovereign_operator.core.sidecar.contract import UID

OWNED: Final = 0x4000_0000
COOKIE: Final = 0x2000_0000
"""Bits of a connection's mark. The others are left as they are."""

SETTLING: Final = "settling"
"""A set that says ``tcp`` for a while after rules that did not mark connections were replaced: what the sidecar had
closed by then, and nothing marks any more, is sent to its end."""
SETTLING_SECONDS: Final = 30

_MARK: Final = f"ct mark set ct mark | {OWNED:#x}"
_UNMARK: Final = f"ct mark set ct mark & {~OWNED & 0xFFFF_FFFF:#x}"
_DATA_OFFSETS: Final = range(5, 16)
"""How long a header of TCP can be, in words of 32 bits."""


def settle(table: str) -> str:
    """Return what to add to rules that replace some which did not mark connections."""
    return f"add element inet {table} {SETTLING} {{ tcp timeout {SETTLING_SECONDS}s }}\n"


def settling_set() -> Iterator[str]:
    """Define the set."""
    yield "type inet_proto"
    yield "flags timeout"


def refuse_payload(refusal: str) -> Iterator[str]:
    """Refuse a segment of TCP that carries a byte, and accept any other.

    A byte that is not there cannot be compared, so that its rule does not hold: each asks for the first one behind a
    header of that length. Unlike the length of a packet, this does not depend on options of IP.
    """
    for words in _DATA_OFFSETS:
        yield f"tcp doff {words} @th,{words * 32},8 >= 0 {refusal}"
    yield "accept"


def owned() -> Iterator[str]:
    """Let out what the sidecar's user owns, and mark its connection."""
    yield f"tcp flags & (fin | rst) != 0 ct mark & {COOKIE:#x} == {COOKIE:#x} {_UNMARK} accept"
    yield f"ct mark & {OWNED:#x} == 0 {_MARK}"
    yield "accept"


def unowned() -> Iterator[str]:
    """Let out what has no owner: all of it on a marked connection, and elsewhere what carries nothing."""
    yield f"tcp flags & (syn | ack) == syn | ack ct mark set ct mark | {COOKIE:#x}"
    both = OWNED | COOKIE
    yield f"tcp flags & (fin | rst) != 0 ct mark & {both:#x} == {both:#x} {_UNMARK} accept"
    yield f"ct mark & {OWNED:#x} == {OWNED:#x} accept"
    yield f"meta l4proto @{SETTLING} accept"
    yield "goto bare"


def received() -> Iterator[str]:
    """Let in what is for the sidecar, and else what carries nothing.

    The kernel knows the owner only of a connection that was accepted. Until then it is the mark that counts.
    """
    yield f"meta skuid {UID} accept"
    yield f"meta skuid != {UID} {_UNMARK} drop"
    yield f"ct mark & {OWNED:#x} == {OWNED:#x} accept"
    yield "goto bare"


def forget() -> str:
    """Return the rule that takes a mark away where somebody outside begins a connection."""
    return f"tcp flags & (syn | ack) == syn {_UNMARK}"


def leave(probed: Sequence[int]) -> Iterator[str]:
    """Let TCP leave that has an owner who may, and ports of TCP probes answer. What has no owner goes on."""
    yield f"meta l4proto tcp meta skuid {UID} goto owned"
    for port in probed:
        yield f"meta l4proto tcp ct original proto-dst {port} ct direction reply accept"
    yield f"meta l4proto tcp meta skuid != {UID} {_UNMARK} drop"
    # Of a connection that was not begun before, or that nobody knows, nothing without an owner leaves.
    yield "meta l4proto tcp ct state invalid,new drop"
