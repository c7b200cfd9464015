"""Which rules the agents of all nodes report to have loaded, from the ConfigMap that each agent keeps."""

from collections.abc import Callable, Iterable

from sovereign_operator.core import names
from sovereign_operator.core.encryption.agent_report import AgentReport, LoadedRules, SilentAgents
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.agent_report import see_report
from sovereign_operator.kube.objects.pod import ObservedPod


class Agents:
    """The reports of all agents. A report counts for pods of the agent's own node only."""

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
        """Return which of these pods with a sidecar have no report that their agent loaded the rules of this number."""
        found = (
            (pod.pod.node or "", f"{pod.namespace}/{pod.pod.name}") for pod in pods if not self._is_loaded(pod, rules)
        )
        return SilentAgents(self._namespace, tuple(sorted(found)))

    def _is_loaded(self, pod: ObservedPod, rules: int) -> bool:
        report = self.mirror.get((self._namespace, names.agent_report(pod.pod.node or "")))
        wanted = LoadedRules(pod.transit, rules, frozenset(pod.addresses))
        return report is not None and report.node == pod.pod.node and report.says(pod.pod.uid, wanted)

    def _take(self, _key: ObjectKey, old: AgentReport | None, new: AgentReport | None) -> None:
        """Reconcile the policies of the pods whose entry in the report has changed."""
        before, after = (dict(report.pods) if report else {} for report in (old, new))
        changed = [uid for uid in before.keys() | after.keys() if before.get(uid) != after.get(uid)]
        for policy in {pods[uid].policy for pods in (before, after) for uid in changed if uid in pods}:
            self._changed(policy)
