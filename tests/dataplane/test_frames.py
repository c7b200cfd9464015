"""In Strict, frames that carry no IP, to which the redirect does not apply, neither leave nor enter a pod."""

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest

from hack.dataplane.netns import Capture, Net, hears_nothing
from hack.kubectl import eventually
from sovereign_operator.agent.fence import Fence
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane import frames
from tests.dataplane.links import APP_PORT, V4, Addresses, Link
from tests.dataplane.packets import MARK, mark
from tests.dataplane.sandboxes import FOLDER, sandbox_of

SECRET: Final = b"the-patient-has-measles"
KINDS: Final = {"PPPoE": 0x8864, "PPPoE discovery": 0x8863, "AppleTalk": 0x809B, "LLC": 4, "own": 0x88B5}


def say(net: Net, peer: Net, kind: int, interface: str = "eth0") -> None:
    """Send a frame to the other end of a link. An error is ignored: what counts is what the other end receives."""
    (hardware,) = re.findall(r"link/ether (\S+)", peer.ip("link", "show", interface))
    sender = net.open(socket.AF_PACKET, socket.SOCK_DGRAM)
    with suppress(OSError):
        sender.sendto(SECRET, (interface, kind, 0, 0, bytes.fromhex(hardware.replace(":", ""))))


def keep(link: Link, *, strict: bool = True, fence: Fence | None = None) -> None:
    """Update the rules for frames, as the agent does besides loading the redirect."""
    asyncio.run((fence or Fence(FOLDER)).update(sandbox_of(link), strict=strict))


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_without_ip_does_not_leave(link: Link, kind: str) -> None:
    link.redirect(strict=True)
    capture = Capture(link.outside)

    def seen() -> bool:
        say(link.pod, link.outside, KINDS[kind])
        mark(link)
        return SECRET in b"".join(capture.until(MARK))

    assert seen()
    keep(link)
    assert not seen()
    keep(link, strict=False)
    assert seen()


def test_a_frame_without_ip_does_not_enter(link: Link) -> None:
    link.redirect(strict=True)
    # A socket for all kinds of frames receives them before any rule applies, so this one is for a single kind.
    hears = link.pod.open(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(KINDS["PPPoE"]))
    say(link.outside, link.pod, KINDS["PPPoE"])
    assert hears.recv(100).startswith(SECRET)
    keep(link)
    say(link.outside, link.pod, KINDS["PPPoE"])
    link.serve()
    listener = link.listen(V4, sidecar.INBOUND_PORT)
    link.outside.connect(V4.pod, APP_PORT).close()
    listener.accept().close()
    assert hears_nothing(hears)


def test_ip_passes_and_neighbours_are_found(link: Link, addresses: Addresses) -> None:
    link.redirect(strict=True)
    keep(link)
    for net in (link.pod, link.outside):
        net.ip("neighbour", "flush", "dev", "eth0")
    remote = link.outside.listen(addresses.remote, 80)
    link.pod.connect(addresses.remote, 80, uid=sidecar.UID).close()
    remote.accept().close()


def test_an_interface_that_comes_later_is_looked_at_too(link: Link) -> None:
    link.redirect(strict=True)
    fence = Fence(FOLDER)
    keep(link, fence=fence)
    link.pod.ip("link", "add", "net1", "type", "veth", "peer", "name", "net1", "netns", link.outside.name)
    for net in (link.pod, link.outside):
        net.ip("link", "set", "net1", "up")
    hears = link.outside.open(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(KINDS["PPPoE"]))
    eventually(lambda: "LOWER_UP" in link.pod.ip("link", "show", "net1"))
    say(link.pod, link.outside, KINDS["PPPoE"], "net1")
    assert hears.recv(100).startswith(SECRET)
    keep(link, fence=fence)
    say(link.pod, link.outside, KINDS["PPPoE"], "net1")
    # When a later connection succeeds, the frame would have arrived as well.
    link.pod.ip("address", "add", "10.76.0.2/24", "dev", "net1")
    link.outside.ip("address", "add", "10.76.0.1/24", "dev", "net1")
    remote = link.outside.listen("10.76.0.1", 80)
    link.pod.connect("10.76.0.1", 80, uid=sidecar.UID).close()
    remote.accept().close()
    assert hears_nothing(hears)


@pytest.mark.parametrize("name", ['a"b', "a;b", "a{", ""])
def test_a_name_that_is_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="with the name"):
        frames.rules_of(["eth0", name])


def test_a_kernel_that_cannot_is_told_of_and_nothing_else_fails(
    link: Link, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    link.redirect(strict=True)
    rules_of: Callable[..., str] = frames.rules_of
    monkeypatch.setattr(frames, "rules_of", lambda names: rules_of(names).replace("hook egress", "hook nowhere"))
    fence = Fence(FOLDER)
    for _ in range(2):
        keep(link, fence=fence)
    (told,) = [record.getMessage() for record in caplog.records if record.name.endswith("fence")]
    assert "Linux 5.16" in told
    assert link.pod.nft("list tables") == "table inet sovereignty\n"
