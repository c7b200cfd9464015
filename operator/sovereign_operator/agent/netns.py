"""Network namespaces of pods: opens, verifies and enters them.

Paths come from the runtime's files, and rules in the wrong network namespace would disconnect a node. So a path must
lie where runtimes keep network namespaces; the file must be one, and not the agent's own; and it must have an address
that the pod was given, which no other network namespace in the cluster has. The descriptor that was verified is the one
that is entered, whatever happens to the path meanwhile.
"""

import asyncio
import ctypes
import fcntl
import ipaddress
import os
import posixpath
import re
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sovereign_operator.agent.sandboxes import LOOPBACK, Sandbox
from sovereign_operator.dataplane import ownership, redirect

FOLDERS: Final = frozenset({"/run/netns", "/var/run/netns"})
"""Where runtimes keep network namespaces. The second is the first by its old name."""
PATIENCE_SECONDS: Final = 10.0

# linux/nsfs.h, linux/sched.h, linux/sockios.h
_NS_GET_NSTYPE: Final = 0xB703
_CLONE_NEWNET: Final = 0x40000000
_SIOCGIFADDR: Final = 0x8915

_OWN: Final = Path("/proc/self/ns/net")

_CHAIN: Final = re.compile(r"^\s*chain (\S+)", re.MULTILINE)

_libc = ctypes.CDLL(None, use_errno=True)


class SandboxGoneError(Exception):
    """The network namespace no longer exists."""


class NotThePodsError(Exception):
    """This is not the pod's network namespace, or that cannot be determined. The text says why."""


class RulesError(Exception):
    """The rules could not be loaded. The text is nft's message."""


@contextmanager
def opened(sandbox: Sandbox, folder: Path) -> Iterator[int]:
    """Open the network namespace of a sandbox. ``folder`` is where FOLDERS are seen from here.

    Raises SandboxGoneError or NotThePodsError.
    """
    path = sandbox.netns
    if posixpath.normpath(path) != path or posixpath.dirname(path) not in FOLDERS:
        raise NotThePodsError(f"{path!r} is no path of a network namespace")
    parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # No waiting for a pipe that nobody writes to.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        netns = os.open(posixpath.basename(path), flags, dir_fd=parent)
    except FileNotFoundError as error:
        raise SandboxGoneError(f"{path} is gone") from error
    except (OSError, ValueError) as error:
        raise NotThePodsError(f"{path!r} cannot be opened: {error}") from error
    finally:
        os.close(parent)
    try:
        _inspect(netns, sandbox)
        yield netns
    finally:
        os.close(netns)


def _inspect(netns: int, sandbox: Sandbox) -> None:
    if not _is_network_namespace(netns):
        raise NotThePodsError(f"{sandbox.netns} is no network namespace, or its mount does not reach us")
    if os.path.samestat(os.fstat(netns), _OWN.stat()):
        raise NotThePodsError(f"{sandbox.netns} is the agent's own network namespace")
    found = addresses(netns, sandbox.interface)
    if not found & sandbox.addresses:
        raise NotThePodsError(
            f"{sandbox.netns} has {sorted(found)} on {sandbox.interface}, and the pod {sorted(sandbox.addresses)}"
        )


def _is_network_namespace(file: int) -> bool:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        return False
    try:
        return fcntl.ioctl(file, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


def addresses(netns: int, interface: str) -> frozenset[str]:
    """Return the addresses of an interface in a network namespace: the first one of IPv4, and all of IPv6.

    Raises NotThePodsError if it cannot be entered.
    """
    return _within(netns, lambda: frozenset({*_ipv4(interface), *_ipv6(interface)}))


def interfaces(netns: int) -> frozenset[str]:
    """Return the names of all interfaces in a network namespace, but the loopback's.

    Raises NotThePodsError if it cannot be entered.
    """
    return _within(netns, lambda: frozenset(name for _, name in socket.if_nameindex() if name != LOOPBACK))


def _within(netns: int, look: Callable[[], frozenset[str]]) -> frozenset[str]:
    def enter() -> frozenset[str]:
        # For this thread alone, which ends there.
        if _libc.setns(netns, _CLONE_NEWNET):
            raise NotThePodsError(f"it cannot be entered: {os.strerror(ctypes.get_errno())}")
        return look()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(enter).result()


def _ipv4(interface: str) -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, suppress(OSError):
        request = struct.pack("15sx24x", interface.encode())
        yield socket.inet_ntoa(fcntl.ioctl(asking, _SIOCGIFADDR, request)[20:24])


def _ipv6(interface: str) -> Iterator[str]:
    with suppress(FileNotFoundError):  # of a kernel without IPv6
        for line in Path("/proc/thread-self/net/if_inet6").read_text(encoding="ascii").splitlines():
            address, *_, name = line.split()
            if name == interface:
                yield str(ipaddress.IPv6Address(bytes.fromhex(address)))


async def load(netns: int, rules: str) -> None:
    """Load rules in a network namespace that was opened, and see that they are there. Raises RulesError.

    Rules of before, which did not mark connections, may have let some begin that now need a mark: these get some time.
    """
    # Where it cannot be told, what is strict from the first moment is right.
    _, sets, _ = await _nft(netns, "list", "sets")
    former = f"table inet {redirect.TABLE} " in sets and ownership.SETTLING not in sets
    await apply(netns, rules + (ownership.settle(redirect.TABLE) if former else ""))
    _, there, _ = await _nft(netns, "list", "table", "inet", redirect.TABLE)
    if missing := set(_CHAIN.findall(rules)) - set(_CHAIN.findall(there)):
        raise RulesError(f"nft took the rules, but chains are not there: {', '.join(sorted(missing))}")


async def apply(netns: int, rules: str) -> None:
    """Have nft take a script in a network namespace that was opened. Raises RulesError."""
    status, _, said = await _nft(netns, "-f", "-", given=rules)
    if status:
        raise RulesError(said.strip()[:1000])


async def _nft(netns: int, *arguments: str, given: str = "") -> tuple[int, str, str]:
    """Run nft there. Return its status, output, and what it says of errors. Raises RulesError if it takes too long."""
    command = ("nsenter", f"--net=/proc/self/fd/{netns}", "nft", *arguments)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=(netns,))
    try:
        found = await asyncio.wait_for(process.communicate(given.encode()), PATIENCE_SECONDS)
    except TimeoutError as error:
        raise RulesError(f"nft took more than {PATIENCE_SECONDS:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    output, said = (text.decode(errors="replace") for text in found)
    return process.returncode or 0, output, said
