"""Packets written by hand, and how to find them in a capture."""

import socket
import struct
from typing import Final

from hack.dataplane.netns import family_of, send
from sovereign_operator.core.encryption.traffic_rules import DNS_PORT
from tests.dataplane.links import V4, Addresses, Link

SYN, RST, PSH, ACK = 2, 4, 8, 16
NO_OPERATION: Final = b"\1"
MARK: Final = b"all that was to leave has left"


def mark(link: Link, addresses: Addresses = V4) -> None:
    """Send a mark that a capture outside can look for, to the name server, to which datagrams always pass."""
    send(link.pod.datagrams(addresses.any), MARK, addresses.remote, DNS_PORT)


def segments(packets: list[bytes], port: int) -> list[bytes]:
    """Return the TCP segments to a port among packets, each without its IP header."""
    found = []
    for packet in packets:
        version = packet[0] >> 4
        protocol, start = (packet[9], 4 * (packet[0] & 15)) if version == 4 else (packet[6], 40)
        if protocol == socket.IPPROTO_TCP and struct.unpack_from("!H", packet, start + 2)[0] == port:
            found.append(packet[start:])
    return found


def segment(
    source: str,
    target: str,
    *,
    ports: tuple[int, int],
    numbers: tuple[int, int],
    flags: int,
    data: bytes,
    words: int = 5,
) -> bytes:
    """Return a TCP segment with its checksum. ``words`` is the length of its header, in words of 32 bits."""
    header = struct.pack("!HHIIBBHHH", *ports, *numbers, words << 4, flags, 65535, 0, 0)
    header += NO_OPERATION * 4 * (words - 5)
    pseudo = b"".join(socket.inet_pton(family_of(source), address) for address in (source, target))
    pseudo += struct.pack("!HH", socket.IPPROTO_TCP, len(header) + len(data))
    return header[:16] + checksum(pseudo + header + data) + header[18:] + data


def checksum(words: bytes) -> bytes:
    """Return the internet checksum."""
    total = sum(word for (word,) in struct.iter_unpack("!H", words + b"\0" * (len(words) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def packet(source: str, target: str, words: bytes, protocol: int = socket.IPPROTO_TCP) -> bytes:
    """Return an IP packet with this payload."""
    addresses = b"".join(socket.inet_pton(family_of(source), address) for address in (source, target))
    if family_of(source) == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28, len(words), protocol, 64) + addresses + words
    header = struct.pack("!BBHHHBBH", 4 << 4 | 5, 0, 20 + len(words), 0, 0, 64, protocol, 0)
    return header[:10] + checksum(header + addresses) + addresses + words
