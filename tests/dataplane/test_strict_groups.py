"""In Strict no pod tells the link anything by joining a multicast group."""

import socket
import struct
from pathlib import Path
from typing import Final

from hack.dataplane.netns import Capture
from hack.kubectl import eventually
from tests.dataplane.datagrams import MARK, mark
from tests.dataplane.links import APP_USER, V4, V6, Link

# linux/in.h
IP_ADD_SOURCE_MEMBERSHIP: Final = 39
MCAST_JOIN_SOURCE_GROUP: Final = 46


def reports(link: Link) -> list[int]:
    """Return how many packets the pod's kernel was to send, by IPv6 and by IPv4."""
    by_six, by_four = (link.pod.within((Path("/proc/thread-self/net") / name).read_text) for name in ("snmp6", "snmp"))
    names, values = (line.split() for line in by_four.splitlines() if line.startswith("Ip:"))
    found = dict(line.split() for line in by_six.splitlines())
    return [int(found["Ip6OutRequests"]), int(values[names.index("OutRequests")])]


def until_reported(link: Link, before: list[int]) -> None:
    """Wait until the kernel has sent two packets in each family since ``before``: one may be of an earlier join."""
    eventually(lambda: all(now > then + 1 for now, then in zip(reports(link), before, strict=True)), what="reports")


def test_nobody_says_anything_by_joining_groups(bare_link: Link) -> None:
    """Any user may join a group: the kernel reports the group and its sources, 16 bytes each, to the whole link."""
    link = bare_link
    capture, index = Capture(link.outside), link.pod.within(lambda: socket.if_nametoindex("eth0"))

    def whole(address: bytes) -> bytes:
        return struct.pack("@HHI16sI", socket.AF_INET6, 0, 0, address, 0).ljust(128, b"\0")

    def join(words: bytes) -> None:
        words = words.ljust(14, b".")
        member = link.pod.datagrams(V6.any, uid=APP_USER)
        member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, b"\xff\x1e" + words + struct.pack("@I", index))
        group, source = b"\xff\x3e" + bytes(14), b"so" + words
        joined = struct.pack("@I4x", index) + whole(group) + whole(source)
        member.setsockopt(socket.IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, joined)
        member = link.pod.datagrams(V4.any, uid=APP_USER)
        # By IPv4 as well, where a source has 4 bytes.
        joined = b"\xe8\1\1\1" + socket.inet_aton(V4.pod) + words[:4]
        member.setsockopt(socket.IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, joined)

    seen: list[bytes] = []

    def all_seen() -> bool:
        seen.extend(capture.all())
        return all(words in b"".join(seen) for words in (b"\xff\x1ealoud", b"soaloud", b"\xe8\1\1\1alou"))

    join(b"aloud")
    eventually(all_seen, what="reports")
    link.redirect(strict=True)
    before = reports(link)
    join(b"silent")
    until_reported(link, before)
    mark(link, V6, inwards=False)
    assert b"silent" not in b"".join(capture.until(MARK))
