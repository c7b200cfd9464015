"""While no process of the operator runs, nothing in scope starts on other nodes than accepted ones.

Where the API server itself places, everything starts as before. Where the injector places, nothing new starts in scope
until the injector is back, and so nothing starts in a wrong place. Whatever is not in scope notices nothing.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.demo.attacks import NODE_LABEL, TARGET
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.attacks import ATTACKS, Attack
from tests.e2e.support.guards import NODES, injector_places
from tests.e2e.support.installation import MALLORY
from tests.e2e.support.manifests import KINDS, pod, sovereign, trigger, workload
from tests.e2e.support.observed import living_pods, nodes_of
from tests.e2e.support.processes import all_stopped

POLICY = "secnumcloud"
LABEL = {names.POLICY_LABEL: POLICY}

pytestmark = pytest.mark.every_kubernetes


@dataclass(frozen=True)
class Stopped:
    """A cluster on which no process of the operator runs."""

    spaces: dict[str | None, str]
    """Namespaces, by the policy that each enforces."""
    by_injector: bool
    """Whether the injector would place."""
    restart: Callable[[], object]

    @property
    def inside(self) -> str:
        """The namespace in scope."""
        return self.spaces[POLICY]

    @property
    def outside(self) -> str:
        """The namespace that is not in scope."""
        return self.spaces[None]


@pytest.fixture(scope="module")
def stopped(admin: Kubectl) -> Iterator[Stopped]:
    """Make namespaces while all is well, and then stop every process of the operator."""
    batch = uuid4().hex[:6]
    policies = sorted({attack.policy for attack in ATTACKS.values()}, key=str)
    spaces = {policy: f"stopped-{number}-{batch}" for number, policy in enumerate(policies)}
    for policy, name in spaces.items():
        labels = {} if policy is None else {"sovereignty.dev/enforce": policy}
        admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        eventually(lambda: admin.get("serviceaccount", "default", name), what="a service account")  # noqa: B023
    for namespace in (spaces[POLICY], spaces[None]):
        admin.create(pod("waiting", schedulerName="nobody"), namespace)
    admin.create(workload("DaemonSet", "agent"), spaces[POLICY])
    eventually(lambda: len(living_pods(admin, spaces[POLICY], "app=agent")) == len(estate.ACCEPTED), what="agents")
    by_injector = injector_places(admin)
    with ExitStack() as stack:
        stack.enter_context(all_stopped(admin))
        yield Stopped(spaces, by_injector, stack.close)
    admin.run("delete", "namespace", *spaces.values(), "--wait=false")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused(mallory: Kubectl, stopped: Stopped, attack: Attack) -> None:
    refused = attack.run(mallory, stopped.spaces[attack.policy])
    assert refused.returncode
    assert f"ValidatingAdmissionPolicy '{attack.guard}'" in refused.stderr
    assert attack.says in refused.stderr or (stopped.by_injector and "not placed" in refused.stderr)


def labelled(made: Json) -> Json:
    """Return a workload whose pods name their policy themselves."""
    batch = made["spec"].get("jobTemplate", {}).get("spec", made["spec"])
    batch["template"]["metadata"]["labels"] |= LABEL
    return made | {"metadata": made["metadata"] | {"labels": LABEL}}


@pytest.mark.parametrize("by_label", [False, True], ids=["by its namespace", "by its label"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_runs_on_accepted_nodes_or_not_at_all(
    admin: Kubectl, stopped: Stopped, kind: str, by_label: bool
) -> None:
    name = f"new-{kind.lower()}"
    namespace = stopped.outside if by_label else stopped.inside
    made = labelled(workload(kind, name)) if by_label else workload(kind, name)
    done = admin.attempt("-n", namespace, "create", "-f", "-", stdin=json.dumps(made))
    if stopped.by_injector and kind == "DaemonSet":
        assert "ValidatingAdmissionPolicy 'sovereignty-guard-placement-" in done.stderr
        return
    assert not done.returncode, done.stderr
    trigger(admin, kind, namespace, name)
    if stopped.by_injector:
        eventually(lambda: "the injector did not answer" in said_of(admin, namespace, name), what="the reason")
        assert not admin.list("pods", namespace, f"app={name}")
    else:
        eventually(lambda: len(living_pods(admin, namespace, f"app={name}")) == 2, what="two pods")
        assert nodes_of(living_pods(admin, namespace, f"app={name}")) <= set(estate.ACCEPTED)


def said_of(admin: Kubectl, namespace: str, name: str) -> str:
    """Return what Events say about a workload, and about what it created."""
    found = admin.list("events", namespace)
    return " ".join(event.get("message", "") for event in found if event["involvedObject"]["name"].startswith(name))


CHANGES = {
    "the selector": {"spec": {"template": {"spec": {"nodeSelector": None}}}},
    "the label": {"metadata": {"labels": {names.PLACED_LABEL: None}}},
    "all of it": {
        "metadata": {"labels": {names.PLACED_LABEL: None}},
        "spec": {"template": {"spec": {"nodeSelector": {NODE_LABEL: "no"}}}},
    },
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_nobody_takes_its_placement_off_a_daemonset(
    admin: Kubectl, mallory: Kubectl, stopped: Stopped, change: Json
) -> None:
    """Its controller would create pods on every node. They would be refused, but again and again."""
    words = ("-n", stopped.inside, "patch", "daemonset", "agent", "--type=merge", "-p", json.dumps(change))
    done = mallory.attempt(*words)
    assert bool(done.returncode) == stopped.by_injector, done
    found = admin.get("daemonset", "agent", stopped.inside)
    assert found["metadata"]["labels"][names.PLACED_LABEL] == POLICY
    assert found["spec"]["template"]["spec"]["nodeSelector"] == {NODE_LABEL: "accepted"}


def test_nobody_asks_in_anothers_name(admin: Kubectl, mallory: Kubectl, stopped: Stopped) -> None:
    forged = sovereign("asked", workloadRef={"kind": "Deployment", "name": "none"})
    forged["metadata"]["annotations"] = {names.REQUESTED_BY_ANNOTATION: "somebody-else"}
    done = mallory.attempt("-n", stopped.inside, "create", "-f", "-", stdin=json.dumps(forged))
    if stopped.by_injector:
        assert "ValidatingAdmissionPolicy 'sovereignty-guard-requester'" in done.stderr
    else:
        found = admin.get("swl", "asked", stopped.inside)
        assert found["metadata"]["annotations"][names.REQUESTED_BY_ANNOTATION] == MALLORY


@pytest.mark.usefixtures("stopped")
def test_nobody_says_that_a_node_is_accepted(mallory: Kubectl, cluster: Cluster) -> None:
    relabel = ("label", "node", TARGET, f"{NODE_LABEL}=accepted")
    assert f"ValidatingAdmissionPolicy '{NODES}'" in mallory.refusal(*relabel)
    kubelet = Kubectl(cluster.node_kubeconfig(TARGET))
    assert "is not allowed to modify labels" in kubelet.refusal(*relabel)


def test_what_is_not_in_scope_notices_nothing(admin: Kubectl, stopped: Stopped) -> None:
    everywhere = {*estate.ACCEPTED, *estate.REFUSED}
    admin.apply(workload("Deployment", "free"), workload("DaemonSet", "everywhere"), namespace=stopped.outside)
    for thing in ("deployment/free", "daemonset/everywhere"):
        admin.run("-n", stopped.outside, "rollout", "status", thing, "--timeout=60s")
    assert nodes_of(living_pods(admin, stopped.outside, "app=everywhere")) == everywhere
    for namespace in ("kube-system", "default"):
        admin.run("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod("any")))
    # Nor does a workload in scope: only its pods do.
    admin.run("-n", stopped.inside, "annotate", "daemonset", "agent", "example.org/note=any")


def test_what_was_refused_starts_inside_once_they_are_back(admin: Kubectl, stopped: Stopped) -> None:
    admin.create(workload("Deployment", "late"), stopped.inside)
    if stopped.by_injector:
        eventually(lambda: "not placed" in said_of(admin, stopped.inside, "late"), what="the refusal")
    stopped.restart()
    # Kubernetes tries again by itself.
    eventually(lambda: len(living_pods(admin, stopped.inside, "app=late")) == 2, seconds=120, what="its pods")
    for namespace, selector in ((stopped.inside, ""), (stopped.outside, f"{names.POLICY_LABEL}={POLICY}")):
        assert nodes_of(living_pods(admin, namespace, selector)) <= set(estate.ACCEPTED)
