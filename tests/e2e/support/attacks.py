"""Attacks on placement by a user to whom RBAC allows everything, each refused by exactly one guard."""

import json
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

from hack.demo.attacks import NODE_LABEL, TARGET, binding
from hack.kubectl import Json, Kubectl
from tests.e2e.support.estate import INSIDE
from tests.e2e.support.guards import BY_LABEL, BY_NAMESPACE, NODES
from tests.e2e.support.manifests import pod


@dataclass(frozen=True)
class Attack:
    """An attack that ``guard`` refuses with a message that contains ``says``.

    ``policy`` is the value of the namespace's label. ``body`` is posted to ``path``; in the path, {space} stands for
    the namespace. With ``waiting``, the namespace has an unscheduled pod of that name.
    """

    guard: str
    says: str
    body: Json
    path: str = "/api/v1/namespaces/{space}/pods"
    policy: str | None = "secnumcloud"
    waiting: bool = False

    def run(self, attacker: Kubectl, space: str) -> CompletedProcess[str]:
        """Try the attack."""
        path = self.path.format(space=space)
        return attacker.attempt("create", "--raw", path, "-f", "-", stdin=json.dumps(self.body))


BINDINGS = "sovereignty-guard-bindings"
EVERY_POD = "sovereignty-guard-every-pod"
POD_BINDING = "/api/v1/namespaces/{space}/pods/waiting/binding"
OLD_BINDING = "/api/v1/namespaces/{space}/bindings"


def claims(policy: str, **spec: Any) -> Json:
    """Return a pod that names its policy itself."""
    return pod("attack", labels={"sovereignty.dev/policy": policy}, **spec)


def marked(**metadata: dict[str, str]) -> Json:
    """Return a Binding to an accepted node with additional metadata."""
    body = binding("waiting", INSIDE)
    return body | {"metadata": body["metadata"] | metadata}


CLAIM = marked(labels={"sovereignty.dev/policy": "hds"})


def fake_node(**labels: str) -> Json:
    """Return a Node that no kubelet registered."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "fake", "labels": labels}}


ATTACKS = {
    "a pod names its node": Attack(BY_NAMESPACE, "names node paris-1", pod("attack", nodeName=TARGET)),
    "a pod names a node that does not exist": Attack(BY_NAMESPACE, "names node no-1", pod("attack", nodeName="no-1")),
    "a pod by label names its node": Attack(
        BY_LABEL, "names node paris-1", claims("secnumcloud", nodeName=TARGET), policy=None
    ),
    "a Binding by hand": Attack(
        BINDINGS, "cannot be bound to node paris-1", binding("waiting", TARGET), POD_BINDING, waiting=True
    ),
    "a Binding by hand through the old endpoint": Attack(
        BINDINGS, "cannot be bound to node paris-1", binding("waiting", TARGET), OLD_BINDING, waiting=True
    ),
    "a Binding that changes the policy": Attack(
        EVERY_POD, "leave them out of its Binding", CLAIM, OLD_BINDING, waiting=True
    ),
    "a Binding that brings a pod into scope": Attack(
        EVERY_POD, "leave them out of its Binding", CLAIM, POD_BINDING, policy=None, waiting=True
    ),
    "a Binding that says where a pod was placed": Attack(
        EVERY_POD,
        "leave them out of its Binding",
        marked(labels={"sovereignty.dev/placed-for": "secnumcloud"}),
        OLD_BINDING,
        policy=None,
        waiting=True,
    ),
    "a mistyped policy": Attack(BY_NAMESPACE, 'policy "secnumcluod"', pod("attack"), policy="secnumcluod"),
    "an empty policy": Attack(BY_NAMESPACE, 'policy ""', pod("attack"), policy=""),
    "an ill-formed policy": Attack(BY_NAMESPACE, 'policy "SecNum_Cloud"', pod("attack"), policy="SecNum_Cloud"),
    "a policy whose name no account can have": Attack(BY_NAMESPACE, 'policy "a..b"', pod("attack"), policy="a..b"),
    "a mistyped policy by label": Attack(BY_LABEL, 'policy "secnumcluod"', claims("secnumcluod"), policy=None),
    "an empty policy by label": Attack(BY_LABEL, 'policy ""', claims(""), policy=None),
    "a pod that claims another policy than its namespace": Attack(BY_NAMESPACE, "two policies", claims("hds")),
    "a mirror pod that no kubelet made": Attack(
        BY_NAMESPACE,
        "names node paris-1",
        pod("attack", nodeName=TARGET)
        | {"metadata": {"name": "attack", "annotations": {"kubernetes.io/config.mirror": "x"}}},
    ),
    "a node that brings the label": Attack(
        NODES, f"may not change {NODE_LABEL}", fake_node(**{NODE_LABEL: "accepted"}), "/api/v1/nodes"
    ),
}
