"""Drop frames that carry no IP and leave pods of policies in Strict, if the node's kernel can.

A kernel before Linux 5.16 cannot filter what leaves an interface. That is logged once, and stops nothing else.
"""

import logging
from pathlib import Path

from sovereign_operator.agent import netns
from sovereign_operator.agent.sandboxes import Sandbox
from sovereign_operator.dataplane import frames

logger = logging.getLogger(__name__)


class Fence:
    """Knows which interfaces are looked at."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is where the node's network namespaces are seen from here."""
        self._folder = folder
        self._known: dict[str, frozenset[str]] = {}
        """By id of the sandbox. Where this kernel knows no such rules, they are tried again when there are others."""
        self._held = False
        """Whether rules were ever loaded in Strict."""
        self._told = False

    async def keep(self, sandbox: Sandbox, *, strict: bool) -> None:
        """Load the rules for all interfaces of a sandbox in Strict; remove them in other modes."""
        if not strict and self._known.get(sandbox.id) == frozenset():
            return
        try:
            with netns.opened(sandbox, self._folder) as opened:
                there = netns.interfaces(opened) if strict else frozenset()
                if self._known.get(sandbox.id) == there:
                    return
                self._known[sandbox.id] = there
                await netns.apply(opened, frames.rules_of(there))
                self._held = self._held or strict
        except (netns.SandboxGoneError, netns.NotThePodsError) as error:
            logger.debug("frames of pod %s/%s are not looked at: %s", sandbox.namespace, sandbox.name, error)
        except (netns.RulesError, ValueError) as error:
            if self._held:
                self.forget(sandbox.id)
            if strict and not self._told:
                self._told = True
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
