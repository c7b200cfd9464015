"""Network namespaces of pods: opens, verifies and enters them.

Paths come from the runtime's files, and rules in the wrong network namespace would disconnect a node. So a path must
lie where runtimes keep network namespaces; the file must be one, and not the agent's own; and it must have an address
that was assigned to the pod, which no other network namespace in the cluster has. The agent enters the descriptor that
it verified, so a path that changes meanwhile has no effect.
"""

import asyncio
import ctypes
import errno
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
"""Where runtimes keep network namespaces. The second is the old name of the first."""
PATIENCE_SECONDS: Final = 10.0
"""How long nft may take."""

# linux/nsfs.h, linux/sched.h, linux/sockios.h
_NS_GET_NSTYPE: Final = 0xB703
_CLONE_NEWNET: Final = 0x40000000
_SIOCGIFADDR: Final = 0x8915

_OWN: Final = Path("/proc/self/ns/net")

_CHAIN: Final = re.compile(r"^\s*chain (\S+)", re.MULTILINE)

_NOT_ALLOWED: Final = os.strerror(errno.EPERM)
"""What nft and nsenter say. If the process has no capability, nft says it of the first rule."""

_libc = ctypes.CDLL(None, use_errno=True)


class SandboxGoneError(Exception):
    """The network namespace no longer exists."""


class NotThePodsError(Exception):
    """This is not the pod's network namespace, or that cannot be determined. The text says why."""


class OwnNamespaceError(NotThePodsError):
    """This is the agent's own network namespace."""


class RulesError(Exception):
    """The rules could not be loaded. The text is nft's message."""


class NotAllowedError(RulesError):
    """This process may not load rules at all."""


@contextmanager
def scratch() -> Iterator[int]:
    """Open a new network namespace, which exists within the context. Raises OSError if this process may make none."""

    def make() -> int:
        # unshare changes this thread alone, which ends afterwards.
        if _libc.unshare(_CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(make).result()
    try:
        yield made
    finally:
        os.close(made)


@contextmanager
def opened(sandbox: Sandbox, folder: Path) -> Iterator[int]:
    """Open the network namespace of a sandbox. ``folder`` is where the agent's container mounts FOLDERS.

    Raises SandboxGoneError or NotThePodsError.
    """
    path = sandbox.netns
    if posixpath.normpath(path) != path or posixpath.dirname(path) not in FOLDERS:
        raise NotThePodsError(f"{path!r} is no path of a network namespace")
    try:
        parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NotThePodsError(f"{folder} cannot be opened: {error}") from error
    try:
        # NONBLOCK: opening a pipe without a writer would block.
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
        raise NotThePodsError(f"{sandbox.netns} is no network namespace, or its mount is not visible to the agent")
    if os.path.samestat(os.fstat(netns), _OWN.stat()):
        raise OwnNamespaceError(f"{sandbox.netns} is the agent's own network namespace")
    present = addresses(netns, sandbox.interface)
    if not present & sandbox.addresses:
        raise NotThePodsError(
            f"{sandbox.netns} has {sorted(present)} on {sandbox.interface}, and the pod {sorted(sandbox.addresses)}"
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
    return _read_inside(netns, lambda: frozenset({*_ipv4(interface), *_ipv6(interface)}))


def interfaces(netns: int) -> frozenset[str]:
    """Return the names of all interfaces in a network namespace, but the loopback's.

    Raises NotThePodsError if it cannot be entered.
    """
    return _read_inside(netns, lambda: frozenset(name for _, name in socket.if_nameindex() if name != LOOPBACK))


def _read_inside(netns: int, read: Callable[[], frozenset[str]]) -> frozenset[str]:
    """Call ``read`` in a network namespace. Raises NotThePodsError if it cannot be entered."""

    def enter() -> frozenset[str]:
        # setns changes this thread alone, which ends afterwards.
        if _libc.setns(netns, _CLONE_NEWNET):
            raise NotThePodsError(f"it cannot be entered: {os.strerror(ctypes.get_errno())}")
        return read()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(enter).result()


def _ipv4(interface: str) -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query, suppress(OSError):
        request = struct.pack("15sx24x", interface.encode())
        yield socket.inet_ntoa(fcntl.ioctl(query, _SIOCGIFADDR, request)[20:24])


def _ipv6(interface: str) -> Iterator[str]:
    with suppress(FileNotFoundError):  # a kernel without IPv6
        for line in Path("/proc/thread-self/net/if_inet6").read_text(encoding="ascii").splitlines():
            address, *_, name = line.split()
            if name == interface:
                yield str(ipaddress.IPv6Address(bytes.fromhex(address)))


async def load(netns: int, rules: str) -> None:
    """Load rules in an opened network namespace, and check that they are loaded. Raises RulesError.

    The rules of an earlier version did not mark connections. When they are replaced, connections that the sidecar has
    closed get some time to send the rest without a mark: see ownership.SETTLING. If the kernel cannot look for sockets,
    the rules are loaded without that.
    """
    # If nft cannot list the sets, connections get no such time, which is the strict choice.
    _, sets, _ = await _nft(netns, "list", "sets")
    former = f"table inet {redirect.TABLE} " in sets and ownership.SETTLING not in sets
    await _apply_some(netns, rules + (ownership.settle(redirect.TABLE) if former else ""))
    _, loaded, _ = await _nft(netns, "list", "table", "inet", redirect.TABLE)
    if missing := set(_CHAIN.findall(rules)) - set(_CHAIN.findall(loaded)):
        raise RulesError(f"nft accepted the rules, but these chains are missing: {', '.join(sorted(missing))}")


async def _apply_some(netns: int, rules: str) -> None:
    """Load rules; if the kernel refuses them, without what only some kernels have. Raises RulesError."""
    try:
        await apply(netns, rules)
    except NotAllowedError:
        raise
    except RulesError:
        await apply(netns, redirect.without_sockets(rules))


async def apply(netns: int, rules: str) -> None:
    """Run a script of nft in an opened network namespace. Raises RulesError."""
    status, _, errors = await _nft(netns, "-f", "-", script=rules)
    if status:
        error = NotAllowedError if _NOT_ALLOWED in errors else RulesError
        raise error(errors.strip()[:1000])


async def _nft(netns: int, *arguments: str, script: str = "") -> tuple[int, str, str]:
    """Run nft in a network namespace. Return its status, stdout and stderr. Raises RulesError if it takes too long."""
    command = ("nsenter", f"--net=/proc/self/fd/{netns}", "nft", *arguments)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=(netns,))
    try:
        streams = await asyncio.wait_for(process.communicate(script.encode()), PATIENCE_SECONDS)
    except TimeoutError as error:
        raise RulesError(f"nft took more than {PATIENCE_SECONDS:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    output, errors = (text.decode(errors="replace") for text in streams)
    return process.returncode or 0, output, errors
