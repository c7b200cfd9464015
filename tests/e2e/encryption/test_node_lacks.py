"""What an agent cannot do on its node is said where people look, and nothing starts there meanwhile.

The agents get an empty folder in place of the node's CNI results, as on a node whose runtime keeps these elsewhere.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from hack.cluster import Cluster
from hack.images import public
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from sovereign_operator.core.encryption.node_lacks import LACKS, Lack, NodeLack
from tests.e2e.support.client import Client
from tests.e2e.support.observed import condition, events
from tests.e2e.support.peers import PYTHON
from tests.e2e.support.strict_pods import python, ready

NODE = "lyon-1"
AGENT = ("-n", NAMESPACE, "daemonset/sovereign-agent")
FOUND = NodeLack(Lack.RESULTS)


def agents(admin: Kubectl) -> list[Json]:
    """Return the agents' pods."""
    return admin.list("pods", NAMESPACE, "app.kubernetes.io/component=agent")


def report(admin: Kubectl, node: str) -> dict[str, str]:
    """Return the data of the report of a node's agent; empty if there is none."""
    found = admin.attempt(
        "-n", NAMESPACE, "get", "configmap", names.agent_report(node), "-o", "jsonpath={.data}"
    ).stdout
    data: dict[str, str] = json.loads(found or "{}")
    return data


def metric(admin: Kubectl, pod: Json) -> dict[str, str]:
    """Return what an agent's metrics say that its node lacks, by kind."""
    ask = "import urllib.request as r; print(r.urlopen('http://localhost:8080/metrics').read().decode())"
    said = admin.run("-n", NAMESPACE, "exec", pod["metadata"]["name"], "--", "python3", "-c", ask)
    return dict(re.findall(r'^sovereign_agent_node_lacks{what="(\w+)"} (\S+)$', said, re.MULTILINE))


def test_a_node_of_this_machine_lacks_nothing(admin: Kubectl) -> None:
    for pod in agents(admin):
        assert report(admin, pod["spec"]["nodeName"]).keys() <= {"pods"}
        assert eventually(lambda pod=pod: metric(admin, pod), what="a check") == dict.fromkeys(Lack, "0.0")  # type: ignore[misc]
        assert "has all that the redirect needs" in admin.run("-n", NAMESPACE, "logs", pod["metadata"]["name"])


@contextmanager
def blinded(admin: Kubectl) -> Iterator[None]:
    """Have the agents look for CNI results in an empty folder."""
    (volume,) = (
        volume
        for volume in admin.get("daemonset", "sovereign-agent", NAMESPACE)["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "cni-results"
    )

    def mount(**source: Json | None) -> None:
        patch = {"spec": {"template": {"spec": {"volumes": [{"name": volume["name"], **source}]}}}}
        admin.run("-n", NAMESPACE, "patch", "daemonset", "sovereign-agent", "-p", json.dumps(patch))
        admin.run("rollout", "status", *AGENT, "--timeout=2m")

    mount(hostPath=None, emptyDir={})
    try:
        yield
    finally:
        mount(emptyDir=None, hostPath=volume["hostPath"])
    eventually(lambda: "lacks" not in report(admin, NODE), what="an agent that sees its node again")


def test_pods_of_a_node_that_lacks_something_wait_until_it_does_not_and_people_are_told(
    admin: Kubectl, cluster: Cluster, encrypting: str, transit: str
) -> None:
    cluster.load_image(public.archive(PYTHON))
    with blinded(admin):
        admin.apply(python("client", NODE), namespace=encrypting)
        eventually(lambda: report(admin, NODE)["lacks"] == "results", what="a report")
        eventually(lambda: LACKS in events(admin, "default", NODE), what="an Event on the node")
        assert str(FOUND) in events(admin, "default", NODE)[LACKS]
        eventually(lambda: LACKS in events(admin, encrypting, "client"), what="an Event on the pod")
        assert str(FOUND) in events(admin, encrypting, "client")[LACKS]
        eventually(
            lambda: f"{NODE}: {FOUND}" in condition(admin, "sovereigntypolicy", transit, "Encrypted")["message"],
            what="a word in the condition",
        )
        (item,) = (
            item for item in Client(admin.kubeconfig).ask("check", code=1)["items"] if item["check"] == f"node {NODE}"
        )
        assert (item["result"], item["found"], item["next"]) == ("bad", FOUND.what, FOUND.advice)
        status = admin.get("pod", "client", encrypting)["status"]
        assert [found["started"] for found in status["containerStatuses"]] == [False]
    ready(admin, encrypting, "client")
