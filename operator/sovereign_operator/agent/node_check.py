"""Finds out what this node lacks: tries all that the agent does for a pod, in a network namespace of its own.

What is missing would otherwise show only as pods that never start. The agent checks when it starts, and as long as
something is missing, as an admin may load a module meanwhile.
"""

import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from sovereign_operator.agent import netns
from sovereign_operator.agent.sandboxes import Sandbox, Sandboxes
from sovereign_operator.agent.settings import Settings
from sovereign_operator.core.encryption.node_lacks import Lack, NodeLack
from sovereign_operator.dataplane import needs

logger = logging.getLogger(__name__)

INSTANCES: Final = Path("/proc/sys/fs/inotify/max_user_instances")
"""How many inotify instances each user of this node may have. Containers see the value of the node."""
AGAIN_SECONDS: Final = 60.0
"""How long after a check that found something the next one begins."""


async def check_node(settings: Settings, sandboxes: Sandboxes) -> tuple[NodeLack, ...]:
    """Return what the node lacks."""
    return *check_folders(settings, sandboxes), *[lack async for lack in check_kernel()], *check_limits()


def check_folders(settings: Settings, sandboxes: Sandboxes) -> tuple[NodeLack, ...]:
    """Return what is missing in the folders of the node: the agent is a pod, so it should find itself there."""
    own = [*sandboxes.named(settings.replica.namespace, settings.replica.identity)]
    if not own:
        return (NodeLack(Lack.RESULTS),)
    if not any(_is_visible(sandbox, settings.netns) for sandbox in own):
        return (NodeLack(Lack.NAMESPACES),)
    return ()


def _is_visible(sandbox: Sandbox, folder: Path) -> bool:
    """Whether the agent's own network namespace is where its sandbox says."""
    try:
        with netns.opened(sandbox, folder):
            return False
    except netns.OwnNamespaceError:
        return True
    except (netns.SandboxGoneError, netns.NotThePodsError) as error:
        logger.debug("this agent's own network namespace is not where its result says: %s", error)
        return False


async def check_kernel() -> AsyncIterator[NodeLack]:
    """Yield what the kernel lacks, or refuses this process."""
    try:
        with netns.scratch() as opened:
            netns.interfaces(opened)
            if await _refuses(opened, needs.REDIRECT):
                yield NodeLack(Lack.RULES, await _missing(opened, needs.PARTS))
            elif await _refuses(opened, needs.STRICT):
                yield NodeLack(Lack.STRICT, await _missing(opened, needs.PARTS))
            elif await _refuses(opened, needs.SOCKETS):
                yield NodeLack(Lack.SOCKETS, await _missing(opened, needs.SOCKET_PARTS))
            if await _refuses(opened, needs.FRAMES):
                yield NodeLack(Lack.FRAMES, await _missing(opened, needs.FRAME_PARTS))
    except (netns.NotThePodsError, netns.NotAllowedError, OSError) as error:
        logger.debug("this process cannot use network namespaces: %s", error)
        yield NodeLack(Lack.ENTRY)


def check_limits(instances: Path = INSTANCES) -> tuple[NodeLack, ...]:
    """Return whether the sidecars of a full node would exceed a limit. ``instances``: the file with the limit."""
    try:
        allowed = int(instances.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        logger.debug("the limit of inotify instances is not known: %s", error)
        return ()
    return (NodeLack(Lack.WATCHERS),) if allowed < needs.LEAST_INOTIFY_INSTANCES else ()


async def _missing(opened: int, parts: Mapping[str, str]) -> tuple[str, ...]:
    return tuple([part for part, rules in parts.items() if await _refuses(opened, rules)])


async def _refuses(opened: int, rules: str) -> bool:
    """Whether the kernel refuses rules. They are not kept. Raises NotAllowedError."""
    try:
        await netns.apply(opened, f"{rules}flush ruleset\n")
    except netns.NotAllowedError:
        raise
    except netns.RulesError as error:
        logger.debug("the kernel refuses %s: %s", rules, error)
        return True
    return False


def has_ipv6() -> bool:
    """Whether the kernel has IPv6: without it, sidecars listen by IPv4 alone."""
    return socket.has_dualstack_ipv6()


def kernel() -> str:
    """Return the name and version of the kernel."""
    found = os.uname()
    return f"{found.sysname} {found.release}"
