"""The ConfigMap in which the agent of a node reports which rules it has loaded.

Agents write it, the controller reads it. An admission policy lets each agent write only the report of its own node.
"""

from typing import Final

from sovereign_operator.core import names
from sovereign_operator.core.encryption.agent_report import AgentReport, parse
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import CONFIG_MAPS, NODES

PODS: Final = "pods"
"""The only data key of the ConfigMap."""


def see_report(obj: Json) -> AgentReport | None:
    """Read a report; None if its owner is not a Node, or its name is not that of the owner's report."""
    (owner,) = obj["metadata"]["ownerReferences"]
    if owner["kind"] != NODES.kind or obj["metadata"]["name"] != names.agent_report(owner["name"]):
        return None
    return AgentReport(owner["name"], parse(text_in(obj)))


def text_in(obj: Json) -> str:
    """Return the text of a report, not parsed; empty if there is none."""
    return str(obj.get("data", {}).get(PODS, ""))


def report_of(namespace: str, node: str, node_uid: str, text: str) -> Json:
    """Return the ConfigMap of a node's agent. Kubernetes deletes it together with its owner, the node."""
    owner = NODES.header | {"name": node, "uid": node_uid}
    metadata = {
        "name": names.agent_report(node),
        "namespace": namespace,
        "labels": {names.AGENT_REPORT_LABEL: "true"},
        "ownerReferences": [owner],
    }
    return CONFIG_MAPS.header | {"metadata": metadata, "data": {PODS: text}}
