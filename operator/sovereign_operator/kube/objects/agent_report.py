"""The ConfigMap in which the agent of a node reports which rules it has loaded, and what the node lacks.

Agents write it, the controller reads it. An admission policy lets each agent write only the report of its own node.
"""

from collections.abc import Mapping

from sovereign_operator.core import names
from sovereign_operator.core.encryption import node_lacks
from sovereign_operator.core.encryption.agent_report import AgentReport, parse
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import CONFIG_MAPS, NODES

PODS, LACKS = "pods", "lacks"
"""The data keys of the ConfigMap. The second is absent if the node lacks nothing."""


def see_report(obj: Json) -> AgentReport | None:
    """Read a report; None if its owner is not a Node, or its name is not that of the owner's report."""
    (owner,) = obj["metadata"]["ownerReferences"]
    if owner["kind"] != NODES.kind or obj["metadata"]["name"] != names.agent_report(owner["name"]):
        return None
    data = data_in(obj)
    return AgentReport(owner["name"], parse(data[PODS]), node_lacks.parse(data.get(LACKS, "")))


def data_of(pods: str, lacks: str = "") -> Mapping[str, str]:
    """Return the data of a report with these texts."""
    return {PODS: pods} | ({LACKS: lacks} if lacks else {})


def data_in(obj: Json) -> Mapping[str, str]:
    """Return the data of a report, not parsed."""
    data = obj.get("data", {})
    return data_of(str(data.get(PODS, "")), str(data.get(LACKS, "")))


def report_of(namespace: str, node: str, node_uid: str, pods: str, lacks: str = "") -> Json:
    """Return the ConfigMap of a node's agent. Kubernetes deletes it together with its owner, the node."""
    owner = NODES.header | {"name": node, "uid": node_uid}
    metadata = {
        "name": names.agent_report(node),
        "namespace": namespace,
        "labels": {names.AGENT_REPORT_LABEL: "true"},
        "ownerReferences": [owner],
    }
    return CONFIG_MAPS.header | {"metadata": metadata, "data": dict(data_of(pods, lacks))}
