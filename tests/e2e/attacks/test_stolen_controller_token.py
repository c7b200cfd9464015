"""What a thief can do with the controller's token: only the controller's own work."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar.contract import LISTENERS_KEY
from tests.e2e.support.estate import INSIDE
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import NOBODY, pod, workload
from tests.e2e.support.rbac import OURS, may, part, role, role_binding
from tests.e2e.support.spaces import Space
from tests.orders import FORGED, largest, told

OWNER = {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "SovereignWorkload", "controller": True} | {
    key: NOBODY[key] for key in ("name", "uid")
}
TAINT = {"key": "example.org/x", "effect": "NoExecute"}
OUR_TAINT = "sovereignty.dev/not-accepted"
NO_NAMESPACE_FACTS = {"example.org/x": "nowhere"}
NODE_LABEL = "policy.sovereignty.node-restriction.kubernetes.io/"
HOST = may("host", "nodes", names=(INSIDE,))
EXISTS = may("enforce", "sovereigntypolicies", names=("evil",))


def deployment(**metadata: Any) -> Json:
    """Return a Deployment with forged metadata."""
    made = workload("Deployment", "made")
    return made | {"metadata": made["metadata"] | metadata}


def changed(kind: str, **pod_spec: Any) -> Json:
    """Return a part of an existing workload, with a change in its pod template."""
    template = {"spec": pod_spec}
    spec = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    return part(kind, "others", "batch/v1" if kind == "CronJob" else "apps/v1", spec=spec)


def labelled(kind: str, on_object: str | None, on_pods: str | None) -> Json:
    """Return a part of an existing workload with policy labels on the workload and on its pods."""
    found = [{"labels": {"sovereignty.dev/policy": policy}} if policy else {} for policy in (on_object, on_pods)]
    return part(kind, "others", "apps/v1", metadata=found[0], spec={"template": {"metadata": found[1]}})


EVIL = {"containers": [{"name": "idle", "image": "example.org/evil"}]}


@dataclass(frozen=True)
class Theft:
    """A request that RBAC cannot tell from the controller's own work, and that ``guard`` refuses."""

    guard: str
    body: Json
    namespace: str = "{enforced}"
    """Which of the test's namespaces; by default the one with the existing pods and workloads."""
    verb: str = "apply"

    def words(self, space: str) -> tuple[str, ...]:
        """Return the arguments of kubectl. Only a server-side apply works without the right to get."""
        apply = ("apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-")
        verb = apply if self.verb == "apply" else ("delete", "-f", "-")
        return ("-n", space, *verb, "--dry-run=server", f"--as=system:serviceaccount:{NAMESPACE}:sovereign-controller")


ROLES, MARKS, WORKLOADS = (f"sovereignty-guard-controller-{part}" for part in ("roles", "marks", "workloads"))

THEFTS = {
    "write another role": Theft(ROLES, role("evil")),
    "delete another role": Theft(ROLES, role("view"), verb="delete"),
    "have a policy's role say something else": Theft(ROLES, role(OURS, may("patch", "nodes", group=""))),
    "have a policy accept every node": Theft(ROLES, role("sovereignty:host:evil", EXISTS, may("host", "nodes"))),
    "have a role speak for another policy": Theft(ROLES, role("sovereignty:host:other", EXISTS)),
    "hide a rule among many": Theft(
        ROLES, role("sovereignty:host:evil", EXISTS, *[HOST] * 9000, may("patch", "nodes", group=""))
    ),
    "have a role aggregated into those of people": Theft(
        ROLES, role("sovereignty:host:evil", EXISTS, rbac_authorization_k8s_io__aggregate_to_view="true")
    ),
    "give a policy's role to a process": Theft(ROLES, role_binding(OURS, OURS, "sovereign-injector")),
    "give another role by that name": Theft(ROLES, role_binding("sovereignty:host:evil", OURS, "policy-evil")),
    "write a workload that runs the cluster": Theft(WORKLOADS, workload("DaemonSet", "evil"), "kube-system"),
    "write a workload that nobody asked for": Theft(WORKLOADS, deployment()),
    "write one where nobody said so": Theft(WORKLOADS, deployment(ownerReferences=[OWNER]), "{free}"),
    "keep one from ending": Theft(WORKLOADS, deployment(ownerReferences=[OWNER], finalizers=["example.org/x"])),
    "change what others run": Theft(WORKLOADS, changed("Deployment", **EVIL)),
    "change as whom others run": Theft(WORKLOADS, changed("CronJob", serviceAccountName="more")),
    "change where others run": Theft(WORKLOADS, changed("Deployment", nodeSelector={"example.org/x": "y"})),
    "have a DaemonSet of others run nowhere": Theft(
        WORKLOADS, changed("DaemonSet", nodeSelector=NO_NAMESPACE_FACTS | {f"{NODE_LABEL}hds": "none"}), "{free}"
    ),
    "have it run nowhere where a policy holds": Theft(
        WORKLOADS, changed("DaemonSet", nodeSelector=NO_NAMESPACE_FACTS | {f"{NODE_LABEL}hds": "accepted"})
    ),
    "hold what others run to a policy that is not theirs": Theft(WORKLOADS, labelled("Deployment", "hds", "hds")),
    "hold pods to it in secret": Theft(WORKLOADS, labelled("Deployment", None, "secnumcloud"), "{free}"),
    "say of pods that they are held to another": Theft(
        WORKLOADS, labelled("DaemonSet", "secnumcloud", "hds"), "{free}"
    ),
    "keep pods of others from ending": Theft(
        WORKLOADS,
        part(
            "Deployment",
            "others",
            "apps/v1",
            spec={"template": {"metadata": {"finalizers": ["example.org/stay"]}}},
        ),
    ),
    "scale what others run": Theft(WORKLOADS, part("Deployment", "others", "apps/v1", spec={"replicas": 5})),
    "own what others run": Theft(
        WORKLOADS, part("Deployment", "others", "apps/v1", metadata={"ownerReferences": [OWNER]})
    ),
    "change what a pod runs": Theft(MARKS, part("Pod", "waiting", spec=EVIL)),
    "label a pod": Theft(MARKS, part("Pod", "waiting", metadata={"labels": {"example.org/x": "y"}})),
    "have a node collected": Theft(MARKS, part("Node", INSIDE, metadata={"ownerReferences": [NOBODY]})),
    "annotate a node for others": Theft(MARKS, part("Node", INSIDE, metadata={"annotations": {"example.org/x": "y"}})),
    "label a node for others": Theft(MARKS, part("Node", INSIDE, metadata={"labels": {"example.org/x": "y"}})),
    "keep pods from a node": Theft(MARKS, part("Node", INSIDE, spec={"unschedulable": True})),
    "taint a node": Theft(MARKS, part("Node", INSIDE, spec={"taints": [TAINT]})),
    "evict everybody from a node": Theft(
        MARKS, part("Node", INSIDE, spec={"taints": [{"key": OUR_TAINT, "effect": "NoExecute"}]})
    ),
    "keep new pods from a node": Theft(
        MARKS, part("Node", INSIDE, spec={"taints": [{"key": OUR_TAINT, "effect": "NoSchedule"}]})
    ),
    "say something by a taint": Theft(
        MARKS, part("Node", INSIDE, spec={"taints": [{"key": OUR_TAINT, "effect": "PreferNoSchedule", "value": "x"}]})
    ),
    "tell applications": Theft(MARKS, part("ConfigMap", "app", data={"x": "y"})),
    "tell the cluster": Theft(MARKS, part("ConfigMap", "sovereignty-transit.x", data={}), "kube-system"),
    # All others are tried in tests/chart/test_orders.py.
    **{
        f"have sidecars {what}": Theft(
            MARKS, part("ConfigMap", "sovereignty-transit.x", data={LISTENERS_KEY: FORGED[what]})
        )
        for what in ("fetch a filter", "log the keys of TLS", "read another file", "spell it without quotes")
    },
}

Attempt = tuple[tuple[str, ...], str]
"""The arguments of kubectl, and its standard input."""


@pytest.mark.parametrize("guard", [ROLES, MARKS, WORKLOADS])
def test_who_has_the_controllers_token_can_do_no_more_than_it_does(admin: Kubectl, space: Space, guard: str) -> None:
    """RBAC allows all of these: without the guard they succeed."""
    spaces = {"enforced": space(), "free": space(None)}
    admin.create(pod("waiting", schedulerName="nobody"), spaces["enforced"])
    for kind, where in (("Deployment", "enforced"), ("CronJob", "enforced"), ("Deployment", "free")):
        admin.create(workload(kind, "others", replicas=0), spaces[where])
    for namespace in spaces.values():
        admin.create(workload("DaemonSet", "others", nodeSelector=NO_NAMESPACE_FACTS), namespace)
    attempts = {
        name: (theft.words(theft.namespace.format(**spaces)), json.dumps(theft.body))
        for name, theft in THEFTS.items()
        if theft.guard == guard
    }
    for name, attempt in attempts.items():
        assert f"ValidatingAdmissionPolicy '{guard}'" in refused(admin, attempt), name
    with without_bindings(admin, guard):
        for attempt in attempts.values():
            allowed(admin, attempt)


def test_the_largest_orders_that_a_policy_can_need_are_no_theft(admin: Kubectl, space: Space) -> None:
    """The guard would refuse a transit config that is too large for it to check."""
    orders = told(EncryptionMode.STRICT, 12345, **largest())
    theft = Theft(MARKS, part("ConfigMap", "sovereignty-transit.x", data=orders))
    admin.run(*theft.words(space()), stdin=json.dumps(theft.body))


def refused(admin: Kubectl, attempt: Attempt) -> str:
    """Return why a request is refused. A guard that a test removed takes effect again a moment after its binding."""
    words, stdin = attempt
    return eventually(lambda: admin.refusal(*words, stdin=stdin), seconds=20, what="a refusal")


def allowed(admin: Kubectl, attempt: Attempt) -> None:
    """Check that a request succeeds, at the latest when the API server has noticed that the guard is gone."""
    words, stdin = attempt
    eventually(lambda: admin.run(*words, stdin=stdin), seconds=20, what="success without the guard")
