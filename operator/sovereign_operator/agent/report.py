"""Reports to the controller, in a ConfigMap for this node, which rules are loaded in the sandboxes of its pods.

And what the node lacks to redirect their traffic, if anything.

The controller puts a policy in Strict only after the agents have reported the rules of all its pods.

The ConfigMap is written only after rules were loaded that it lacks, and a moment later, so that pods that start
together cost one write. Entries of deleted pods are removed with the next write: no other pod ever has their uid. After
a restart of the agent it stays as it is until all rules are loaded again, because they stayed in the kernel meanwhile.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from sovereign_operator.aio.tasks import FIRST_PAUSE, LONGEST_PAUSE
from sovereign_operator.core import names
from sovereign_operator.core.encryption import node_lacks
from sovereign_operator.core.encryption.agent_report import LoadedRules, text_of
from sovereign_operator.core.encryption.node_lacks import NodeLacks
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import ApiError
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.agent_report import data_in, data_of, report_of

logger = logging.getLogger(__name__)

QUIET_SECONDS: Final = 0.3
LONGEST_SECONDS: Final = 2.0
FIRST_SECONDS: Final = 10.0
"""How long a write waits for further changes: usually, at most, and before the first write."""

NODE_UID: Final = "authentication.kubernetes.io/node-uid"
"""The extra field of a pod's token with the uid of the pod's node."""


class ReportWriter:
    """Writes the report of one node's agent."""

    def __init__(self, api: Api, namespace: str, node: str, unsettled: Callable[[], bool]) -> None:
        """``unsettled`` returns whether rules are about to be loaded."""
        self._api = api
        self._namespace = namespace
        self._node = node
        self._unsettled = unsettled
        self._loaded: dict[str, tuple[str, LoadedRules]] = {}
        """By id of the sandbox: the uid of its pod, and what is loaded there."""
        self._changed = asyncio.Event()
        self._changed.set()
        self._lacks: NodeLacks = ()
        self._stored: Mirror[Mapping[str, str]] = Mirror(
            api,
            resource.CONFIG_MAPS,
            data_in,
            self._stored_changed,
            namespace=namespace,
            field_selector=f"metadata.name={names.agent_report(node)}",
        )
        self._written: Mapping[str, str] = {}
        """The data that was written last."""
        self._uid = ""
        """The node's uid."""

    def add(self, sandbox: str, pod_uid: str, loaded: LoadedRules) -> None:
        """Report the rules of a sandbox. Rules without a number come from a controller that needs no report."""
        if loaded.rules and self._loaded.get(sandbox) != (pod_uid, loaded):
            self._loaded[sandbox] = pod_uid, loaded
            self._changed.set()

    def tell_lacks(self, lacks: NodeLacks) -> None:
        """Report what the node lacks."""
        self._lacks = lacks
        self._changed.set()

    def discard(self, sandbox: str) -> None:
        """Report nothing about a sandbox any more."""
        self._loaded.pop(sandbox, None)

    async def watch(self) -> None:
        """Watch the ConfigMap until cancelled."""
        await self._stored.run()

    async def write_changes(self) -> None:
        """Write the report after each change, until cancelled. Failed writes are tried again."""
        await self._stored.synced.wait()
        patience, pause = FIRST_SECONDS, FIRST_PAUSE
        while True:
            await self._changed.wait()
            await self._settle(patience)
            try:
                await self._write()
            except ApiError as error:
                logger.warning("the report of loaded rules could not be written, and will be tried again: %s", error)
                self._changed.set()
                # The node may have registered again.
                self._uid = ""
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                patience, pause = LONGEST_SECONDS, FIRST_PAUSE

    def _stored_changed(self, _key: ObjectKey, _old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> None:
        """Write the report again if another client changed or removed it."""
        if new != self._written:
            self._changed.set()

    async def _settle(self, patience: float) -> None:
        """Wait until no rules were loaded for a moment, and none are about to be."""
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        while self._changed.is_set() or (self._unsettled() and loop.time() < end):
            self._changed.clear()
            await asyncio.sleep(QUIET_SECONDS)
            if loop.time() >= end:
                return

    async def _write(self) -> None:
        texts = text_of(dict(self._loaded.values())), node_lacks.text_of(self._lacks)
        data = data_of(*texts)
        stored = self._stored.get((self._namespace, names.agent_report(self._node)))
        if data == (stored or data_of("")):
            return
        self._uid = self._uid or await self._node_uid()
        self._written = data
        await self._api.apply(resource.CONFIG_MAPS, report_of(self._namespace, self._node, self._uid, *texts))

    async def _node_uid(self) -> str:
        """Return the node's uid from the agent's token. A guard compares the report's owner with it."""
        review = await self._api.create(resource.SELF_REVIEWS, resource.SELF_REVIEWS.header)
        return str(review["status"]["userInfo"]["extra"].get(NODE_UID, [""])[0])
