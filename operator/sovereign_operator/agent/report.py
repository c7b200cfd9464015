"""Tell the controller, in a ConfigMap of this node's own, which rules are loaded in the sandboxes of its pods.

It is written only when something was loaded that it does not say yet, and a moment later, so that pods that start
together cost one write. What is said of pods that are gone goes with the next one: no other pod ever has their uid.
After a restart it stays as it is until all rules are loaded again, as they are in the kernel all the while.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sovereign_operator.aio.tasks import FIRST_PAUSE, LONGEST_PAUSE
from sovereign_operator.core import names
from sovereign_operator.core.encryption.agent_report import LoadedRules, text_of
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import ApiError
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.agent_report import report_of, text_in

logger = logging.getLogger(__name__)

QUIET_SECONDS: Final = 0.3
LONGEST_SECONDS: Final = 2.0
FIRST_SECONDS: Final = 10.0
"""For how long a write waits for what comes next: others, and the first one."""

NODE_UID: Final = "authentication.kubernetes.io/node-uid"
"""What the API server finds in the token of a pod: the uid of the node that it runs on."""


class ReportWriter:
    """What the agent of a node says."""

    def __init__(self, api: Api, namespace: str, node: str, unsettled: Callable[[], bool]) -> None:
        """``unsettled`` says whether rules are about to be loaded."""
        self._api = api
        self._namespace = namespace
        self._node = node
        self._unsettled = unsettled
        self._loaded: dict[str, tuple[str, LoadedRules]] = {}
        """By id of the sandbox: the uid of its pod, and what is loaded there."""
        self._changed = asyncio.Event()
        self._changed.set()
        self._there: Mirror[str] = Mirror(
            api,
            resource.CONFIG_MAPS,
            text_in,
            self._there_changed,
            namespace=namespace,
            field_selector=f"metadata.name={names.agent_report(node)}",
        )
        self._written = ""
        self._uid = ""
        """That of the node."""

    def add(self, sandbox: str, pod_uid: str, loaded: LoadedRules) -> None:
        """Say what is loaded in a sandbox. Rules without a number were told by a controller that asks for no report."""
        if loaded.rules and self._loaded.get(sandbox) != (pod_uid, loaded):
            self._loaded[sandbox] = pod_uid, loaded
            self._changed.set()

    def discard(self, sandbox: str) -> None:
        """Say nothing of a sandbox any more."""
        self._loaded.pop(sandbox, None)

    async def watch(self) -> None:
        """See what is written there, until this is cancelled."""
        await self._there.run()

    async def keep(self) -> None:
        """Write what changes, until this is cancelled."""
        await self._there.synced.wait()
        patience, pause = FIRST_SECONDS, FIRST_PAUSE
        while True:
            await self._changed.wait()
            await self._settle(patience)
            try:
                await self._write()
            except ApiError as error:
                logger.warning("what was loaded could not be reported, and will be again: %s", error)
                self._changed.set()
                # The node may have registered again.
                self._uid = ""
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                patience, pause = LONGEST_SECONDS, FIRST_PAUSE

    def _there_changed(self, _key: ObjectKey, _old: str | None, new: str | None) -> None:
        """Write again what somebody else changed or removed."""
        if new != self._written:
            self._changed.set()

    async def _settle(self, patience: float) -> None:
        """Wait until nothing has changed for a moment, and nothing is about to."""
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        while self._changed.is_set() or (self._unsettled() and loop.time() < end):
            self._changed.clear()
            await asyncio.sleep(QUIET_SECONDS)
            if loop.time() >= end:
                return

    async def _write(self) -> None:
        text = text_of(dict(self._loaded.values()))
        there = self._there.get((self._namespace, names.agent_report(self._node)))
        if text == (there or ""):
            return
        self._uid = self._uid or await self._node_uid()
        self._written = text
        await self._api.apply(resource.CONFIG_MAPS, report_of(self._namespace, self._node, self._uid, text))

    async def _node_uid(self) -> str:
        """Return what a guard compares with: the uid of the node, as the API server finds it in our token."""
        found = await self._api.create(resource.SELF_REVIEWS, resource.SELF_REVIEWS.header)
        return str(found["status"]["userInfo"]["extra"].get(NODE_UID, [""])[0])
