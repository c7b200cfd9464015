"""The agent process: loads the redirect into the network namespaces of its node's pods with a sidecar.

It matters only while a pod starts: loaded rules stay when the agent stops, and new pods wait for it, because the
startup probe of their sidecar passes through the rules. If the API server does not answer, the agent goes on with the
pods that it knows, so its own health does not depend on the API server.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from sovereign_operator.agent import metrics, netns
from sovereign_operator.agent.cni import RESYNC_SECONDS, CniResults
from sovereign_operator.agent.decide import (
    ForgetSandbox,
    KeepRules,
    LoadRules,
    RefuseRules,
    SidecarPod,
    decide_sandbox,
    see_pod,
)
from sovereign_operator.agent.fence import Fence
from sovereign_operator.agent.name_servers import read_name_servers
from sovereign_operator.agent.node_check import AGAIN_SECONDS, check_node, has_ipv6, kernel
from sovereign_operator.agent.report import ReportWriter
from sovereign_operator.agent.sandboxes import Sandbox, Sandboxes
from sovereign_operator.agent.settings import Settings, parse
from sovereign_operator.aio.tasks import keep_running, until_first_ends
from sovereign_operator.core.encryption.agent_report import LoadedRules
from sovereign_operator.core.encryption.node_lacks import Lack, NodeLacks
from sovereign_operator.core.report.conditions import examples
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.transit_config import TransitConfigs
from sovereign_operator.runtime.process import Process, run_replica
from sovereign_operator.runtime.queue import AgainError, WorkQueue

logger = logging.getLogger(__name__)

WORKERS = 4


@dataclass(frozen=True)
class SandboxKey:
    """A sandbox, and the pod that it belongs to according to its file."""

    namespace: str
    pod: str
    sandbox: str


Check = Callable[[Settings, Sandboxes], Awaitable[NodeLacks]]


class Agent(Process):
    """The agent of a node."""

    def __init__(self, settings: Settings, sandboxes: Sandboxes, api: Api, check: Check = check_node) -> None:
        """``check`` finds out what the node lacks."""
        self._settings = settings
        self._check = check
        self._sandboxes = sandboxes
        self._name_servers = read_name_servers(settings.resolv_conf)
        self._queue: WorkQueue[SandboxKey] = WorkQueue(self._handle)
        self._pods: Mirror[SidecarPod] = Mirror(
            api, resource.PODS, see_pod, self._pod_changed, field_selector=f"spec.nodeName={settings.node}"
        )
        self._configs = TransitConfigs(api, settings.replica.namespace, self._policy_changed)
        self._report = ReportWriter(api, settings.replica.namespace, settings.node, self._is_loading)
        self._fence = Fence(settings.netns)
        self._loaded: dict[str, str] = {}
        """By id of the sandbox, the rules that were loaded last."""
        self._refused: set[str] = set()
        """Uids of the pods whose refusal was logged."""
        metrics.REDIRECTED.set_function(lambda: len(self._loaded))
        metrics.SILENCE.set_function(
            lambda: time.monotonic() - min(self._pods.last_received, self._configs.last_received)
        )

    async def run(self) -> None:
        """Work until a task ends."""
        await until_first_ends(
            self._pods.run(),
            self._configs.run(),
            self._follow_sandboxes(),
            self._queue.run(WORKERS),
            self._report.watch(),
            keep_running("check of a node", self._check_node),
            keep_running("report of an agent", self._write_reports),
        )

    async def _follow_sandboxes(self) -> None:
        """Follow the sandboxes. If the folder may not be read, go on: otherwise nothing would be reported."""
        while True:
            try:
                return await self._sandboxes.run(self._sandbox_changed)
            except PermissionError as error:
                logger.error("%s; it will be tried again", error)  # noqa: TRY400 - expected
                await asyncio.sleep(RESYNC_SECONDS)

    async def _check_node(self) -> None:
        """Report what the node lacks, until it lacks nothing."""
        if not has_ipv6():
            logger.info("the kernel of this node has no IPv6, so sidecars listen by IPv4 alone")
        known: NodeLacks | None = None
        while True:
            lacks = await self._check(self._settings, self._sandboxes)
            if lacks != known:
                known = lacks
                self._tell_lacks(lacks)
            await asyncio.sleep(AGAIN_SECONDS) if lacks else await asyncio.Event().wait()

    def _tell_lacks(self, lacks: NodeLacks) -> None:
        for kind in Lack:
            metrics.LACKS.labels(kind).set(any(lack.kind is kind for lack in lacks))
        pods = examples(sorted(map(str, self._pods.values())))
        touched = f"; pods with a sidecar here: {pods}" if pods else ""
        for lack in lacks:
            level = logging.ERROR if lack.starts_none else logging.WARNING
            logger.log(level, "on this node (%s), %s%s", kernel(), lack, touched, extra={"lack": lack.kind})
        if not lacks:
            logger.info("this node (%s) has all that the redirect needs", kernel())
        self._report.tell_lacks(lacks)

    async def _write_reports(self) -> None:
        for mirror in (self._pods, self._configs):
            await mirror.synced.wait()
        await self._report.write_changes()

    def _is_loading(self) -> bool:
        """Return whether the agent is about to load the first rules of a pod."""
        waiting = (pod.uid for pod in self._pods.values() if pod.uid not in self._refused)
        return any(sandbox.id not in self._loaded for uid in waiting for sandbox in self._sandboxes.of_pod(uid))

    def _pod_changed(self, _key: ObjectKey, old: SidecarPod | None, new: SidecarPod | None) -> None:
        self._queue_sandboxes(pod for pod in (old, new) if pod)
        if old and (new is None or new.uid != old.uid):
            self._refused.discard(old.uid)

    def _policy_changed(self, policy: str) -> None:
        self._queue_sandboxes(pod for pod in self._pods.values() if pod.policy == policy)

    def _queue_sandboxes(self, pods: Iterable[SidecarPod]) -> None:
        for pod in pods:
            for sandbox in self._sandboxes.of_pod(pod.uid):
                self._sandbox_changed(sandbox)

    def _sandbox_changed(self, sandbox: Sandbox) -> None:
        self._queue.add(SandboxKey(sandbox.namespace, sandbox.name, sandbox.id))

    async def _handle(self, key: SandboxKey) -> None:
        await self._configs.synced.wait()
        sandbox = self._sandboxes.find(key.sandbox)
        pod = self._pods.get((key.namespace, key.pod))
        config = self._configs.of(pod.policy) if pod else None
        # Without a config, as after the policy was deleted, no datagrams may pass.
        datagrams = config.datagrams if config else ()
        decision = decide_sandbox(pod, sandbox, self._loaded.get(key.sandbox), datagrams, self._name_servers)
        match decision:
            case LoadRules():
                await self._load(decision)
            case RefuseRules():
                self._refuse(decision)
            case ForgetSandbox():
                self._loaded.pop(key.sandbox, None)
                self._fence.forget(key.sandbox)
                self._report.discard(key.sandbox)
            case KeepRules():
                pass
            case _:
                assert_never(decision)
        if not isinstance(decision, LoadRules | KeepRules) or key.sandbox not in self._loaded:
            return
        current = decision.sandbox
        await self._fence.update(current, strict=datagrams is not None)
        if config:
            self._report.add(current.id, current.pod_uid, LoadedRules(config.policy, config.rules, current.addresses))

    async def _load(self, work: LoadRules) -> None:
        sandbox = work.sandbox
        try:
            with netns.opened(sandbox, self._settings.netns) as opened:
                await netns.load(opened, work.rules)
        except netns.SandboxGoneError as error:
            # The file outlived its sandbox, as after a boot. A sandbox that exists after all comes with its next event.
            logger.debug("pod %s has no network namespace to load rules into: %s", work.pod, error)
            return
        except netns.NotThePodsError as error:
            metrics.FAILURES.labels("namespace").inc()
            raise AgainError(f"the traffic of pod {work.pod} is not redirected: {error}") from error
        except netns.RulesError as error:
            metrics.FAILURES.labels("rules").inc()
            raise AgainError(f"the traffic of pod {work.pod} is not redirected: {error}") from error
        first = sandbox.id not in self._loaded
        self._loaded[sandbox.id] = work.rules
        if first and sandbox.since is not None:
            metrics.REDIRECT_SECONDS.observe(max(0.0, time.time() - sandbox.since))
        logger.info("the traffic of pod %s goes through its sidecar", work.pod, extra={"sandbox": sandbox.id})

    def _refuse(self, refused: RefuseRules) -> None:
        if refused.pod.uid not in self._refused:
            self._refused.add(refused.pod.uid)
            metrics.FAILURES.labels("probes").inc()
            logger.error("pod %s never starts, as there are no rules for it: %s", refused.pod, refused.why)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the agent."""
    settings = parse(arguments)
    run_replica(settings.replica, partial(Agent, settings, CniResults(settings.cni_results)))


if __name__ == "__main__":
    main()
