"""What the agents of all nodes report: which rules they have loaded, and what their nodes lack."""

from collections.abc import Callable, Iterable, Mapping

from sovereign_operator.core import names
from sovereign_operator.core.encryption.agent_report import AgentReport, LoadedRules, SilentAgents
from sovereign_operator.core.encryption.node_lacks import NodeLacks
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.agent_report import see_report
from sovereign_operator.kube.objects.pod import ObservedPod


class Agents:
    """The reports of all agents. A report counts for pods of the agent's own node only."""

    def __init__(
        self, api: Api, namespace: str, policy_changed: Callable[[str], None], lacks_changed: Callable[[str], None]
    ) -> None:
        """``policy_changed`` gets each policy whose rules were loaded somewhere, ``lacks_changed`` gets nodes."""
        self._namespace = namespace
        self._policy_changed = policy_changed
        self._lacks_changed = lacks_changed
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

    def lacks(self, node: str) -> NodeLacks:
        """Return what a node lacks."""
        report = self._report_of(node)
        return report.lacks if report else ()

    def lacks_of(self, pods: Iterable[ObservedPod]) -> Mapping[str, NodeLacks]:
        """Return what the nodes of these pods lack, by node; nodes that lack nothing are left out."""
        nodes = {pod.pod.node for pod in pods if pod.pod.node}
        return {node: lacks for node in sorted(nodes) if (lacks := self.lacks(node))}

    def _report_of(self, node: str) -> AgentReport | None:
        report = self.mirror.get((self._namespace, names.agent_report(node)))
        return report if report and report.node == node else None

    def _is_loaded(self, pod: ObservedPod, rules: int) -> bool:
        report = self._report_of(pod.pod.node or "")
        wanted = LoadedRules(pod.transit, rules, frozenset(pod.addresses))
        return report is not None and report.says(pod.pod.uid, wanted)

    def _take(self, _key: ObjectKey, old: AgentReport | None, new: AgentReport | None) -> None:
        """Reconcile the policies of the pods whose entry in the report has changed."""
        before, after = (dict(report.pods) if report else {} for report in (old, new))
        changed = [uid for uid in before.keys() | after.keys() if before.get(uid) != after.get(uid)]
        for policy in {pods[uid].policy for pods in (before, after) for uid in changed if uid in pods}:
            self._policy_changed(policy)
        lacked, lacks = (report.lacks if report else () for report in (old, new))
        seen = new or old
        if seen and lacked != lacks:
            self._lacks_changed(seen.node)
