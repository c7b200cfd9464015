"""The ConfigMap in which the agent of a node says which rules it has loaded. A guard sees that each writes its own."""

from typing import Final

from sovereign_operator.core import names
from sovereign_operator.core.encryption.agent_report import AgentReport, parse
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import CONFIG_MAPS, NODES

PODS: Final = "pods"
"""Its only key."""


def see_report(obj: Json) -> AgentReport | None:
    """Keep what a report says, if it is one: by its name, and of the node that owns it."""
    (owner,) = obj["metadata"]["ownerReferences"]
    if owner["kind"] != NODES.kind or obj["metadata"]["name"] != names.agent_report(owner["name"]):
        return None
    return AgentReport(owner["name"], parse(text_in(obj)))


def text_in(obj: Json) -> str:
    """Return what such a ConfigMap says."""
    return str(obj.get("data", {}).get(PODS, ""))


def report_of(namespace: str, node: str, node_uid: str, text: str) -> Json:
    """Return the ConfigMap of a node's agent. It goes with its node."""
    owner = NODES.header | {"name": node, "uid": node_uid}
    metadata = {
        "name": names.agent_report(node),
        "namespace": namespace,
        "labels": {names.AGENT_REPORT_LABEL: "true"},
        "ownerReferences": [owner],
    }
    return CONFIG_MAPS.header | {"metadata": metadata, "data": {PODS: text}}
