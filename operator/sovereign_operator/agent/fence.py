"""Drops frames that carry no IP and enter or leave pods in Strict, if the node's kernel can.

Kernels before Linux 5.16 cannot filter frames that leave an interface. The agent logs that once, and goes on without.
"""

import logging
from pathlib import Path

from sovereign_operator.agent import netns
from sovereign_operator.agent.sandboxes import Sandbox
from sovereign_operator.dataplane import frames

logger = logging.getLogger(__name__)


class Fence:
    """Loads the rules of dataplane/frames.py, and remembers for which interfaces."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is where the agent's container mounts the node's network namespaces."""
        self._folder = folder
        self._known: dict[str, frozenset[str]] = {}
        """By id of the sandbox, the interfaces whose rules were loaded or tried.

        A kernel that cannot load them is tried again when the interfaces change.
        """
        self._supported = False
        """Whether rules were ever loaded in Strict."""
        self._warned = False

    async def update(self, sandbox: Sandbox, *, strict: bool) -> None:
        """Load the rules for all interfaces of a sandbox in Strict; remove them in other modes."""
        if not strict and self._known.get(sandbox.id) == frozenset():
            return
        try:
            with netns.opened(sandbox, self._folder) as opened:
                present = netns.interfaces(opened) if strict else frozenset()
                if self._known.get(sandbox.id) == present:
                    return
                self._known[sandbox.id] = present
                await netns.apply(opened, frames.rules_of(present))
                self._supported = self._supported or strict
        except (netns.SandboxGoneError, netns.NotThePodsError) as error:
            logger.debug("the frames of pod %s/%s are not filtered: %s", sandbox.namespace, sandbox.name, error)
        except (netns.RulesError, ValueError) as error:
            if self._supported:
                self.forget(sandbox.id)
            if strict and not self._warned:
                self._warned = True
                logger.warning(
                    "frames that carry no IP may leave pods in Strict on this node, pod %s/%s for one (Linux 5.16 or "
                    "newer can keep them in): %s",
                    sandbox.namespace,
                    sandbox.name,
                    error,
                )

    def forget(self, sandbox: str) -> None:
        """Forget a sandbox."""
        self._known.pop(sandbox, None)
