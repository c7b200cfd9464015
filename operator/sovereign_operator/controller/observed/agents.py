"""What the agents of all nodes say that they have loaded."""

from collections.abc import Callable, Iterable

from sovereign_operator.core import names
from sovereign_operator.core.encryption.agent_report import AgentReport, LoadedRules, SilentAgents
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.agent_report import see_report
from sovereign_operator.kube.objects.pod import ObservedPod


class Agents:
    """All of them, by what they say. What one says counts for pods of its own node only."""

    def __init__(self, api: Api, namespace: str, changed: Callable[[str], None]) -> None:
        self._namespace = namespace
        self._changed = changed
        self.mirror: Mirror[AgentReport] = Mirror(
            api,
            resource.CONFIG_MAPS,
            see_report,
            self._take,
            namespace=namespace,
            label_selector=names.AGENT_REPORT_LABEL,
        )

    def silence(self, pods: Iterable[ObservedPod], rules: int) -> SilentAgents:
        """Return for which of these pods with a sidecar nobody has said that rules of this number are loaded."""
        found = ((pod.pod.node or "", f"{pod.namespace}/{pod.pod.name}") for pod in pods if not self._said(pod, rules))
        return SilentAgents(self._namespace, tuple(sorted(found)))

    def _said(self, pod: ObservedPod, rules: int) -> bool:
        report = self.mirror.get((self._namespace, names.agent_report(pod.pod.node or "")))
        wanted = LoadedRules(pod.transit, rules, frozenset(pod.addresses))
        return report is not None and report.node == pod.pod.node and report.says(pod.pod.uid, wanted)

    def _take(self, _key: ObjectKey, old: AgentReport | None, new: AgentReport | None) -> None:
        """Have the policies looked at of which something else is said now."""
        before, after = (dict(report.pods) if report else {} for report in (old, new))
        changed = [uid for uid in before.keys() | after.keys() if before.get(uid) != after.get(uid)]
        for policy in {said[uid].policy for said in (before, after) for uid in changed if uid in said}:
            self._changed(policy)
