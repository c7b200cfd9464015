"""An RBAC rule with empty resourceNames allows every name. If no node is accepted, the role must have no such rule."""

import json

import pytest

from hack import estate
from hack.demo.attacks import binding
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.estate import host_names, set_status
from tests.e2e.support.manifests import pod
from tests.e2e.support.spaces import Space

ROLE = "sovereignty:host:secnumcloud"
EVERY_NODE = (*estate.ACCEPTED, *estate.REFUSED)

pytestmark = [pytest.mark.every_kubernetes, pytest.mark.usefixtures("changed_estate")]


def rules(admin: Kubectl) -> list[Json]:
    """Return the rules of the policy's role."""
    found: list[Json] = admin.get("clusterrole", ROLE)["rules"]
    return found


def test_with_no_node_accepted_no_node_may_host(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.create(pod("waiting", schedulerName="nobody"), namespace)
    for service in ("hexa-gouv", "armor-snc"):
        set_status(admin, service, "Suspended")
    eventually(lambda: host_names(admin, "secnumcloud") == [], seconds=20, what="no node in the role")

    assert [rule["resources"] for rule in rules(admin)] == [["sovereigntypolicies"]]
    for node in EVERY_NODE:
        by_name = json.dumps(pod("named", nodeName=node))
        assert "node not accepted" in admin.refusal("-n", namespace, "create", "-f", "-", stdin=by_name)
        by_hand = json.dumps(binding("waiting", node))
        path = f"/api/v1/namespaces/{namespace}/pods/waiting/binding"
        assert "node not accepted" in admin.refusal("create", "--raw", path, "-f", "-", stdin=by_hand)


def test_a_rule_without_names_accepts_no_node_either(admin: Kubectl, space: Space) -> None:
    """If such a rule is written while no controller runs, the guards notice that it allows everything."""
    namespace = space()
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-controller", "--replicas=0")
    eventually(lambda: not admin.list("pods", NAMESPACE, CONTROLLER_PODS), what="no operator")
    rule = {"apiGroups": ["sovereignty.dev"], "resources": ["nodes"], "verbs": ["host"]}
    admin.run("patch", "clusterrole", ROLE, "--type=merge", "-p", json.dumps({"rules": [*rules(admin)[:1], rule]}))
    manifest = json.dumps(pod("named", nodeName="paris-1"))

    def refused() -> str:
        return admin.attempt("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=manifest).stderr

    eventually(lambda: "meaningless roles" in refused(), seconds=20, what="refusal by the meaningless rule")
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-controller", "--replicas=2")
    eventually(lambda: host_names(admin, "secnumcloud") == list(estate.ACCEPTED), what="the role put right")
    eventually(lambda: "names node paris-1" in refused(), seconds=20, what="roles mean something again")
