"""Why a pod runs where it runs, or runs nowhere, and the one thing to do about it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.pod import PodExplanation, explain_pod, obstacles
from sovereign_operator.cli.answers.pod_seen import Owner, PodSeen, State
from sovereign_operator.cli.answers.scope import Scope
from sovereign_operator.core.workload.previewed import Outcome, PreviewRow, Trigger
from sovereign_operator.core.workload.waiting import REFUSED_BINDING
from tests import builders
from tests.unit.cli.clusters import BREST, FACTS, FREE, LYON, POLICY, SCOPE, blind, estate, pod, unjudged, without

SAID = "0/4 nodes are available: 4 Insufficient cpu."
TAINTED = {name: ({"key": "dedicated", "effect": "NoSchedule"},) for name in ("brest-1", "lyon-1")}
NO_NODE_LEFT = builders.facts(builders.node("other"), policies={POLICY: builders.policy(builders.demand())})


def again(outcome: Outcome, reason: str) -> PreviewRow:
    return PreviewRow("hospital", "Deployment/records", POLICY, Trigger.ROLL_OUT, outcome, 1, reason)


def explain(seen: PodSeen, scope: Scope = SCOPE, found: Estate | None = None) -> PodExplanation:
    return explain_pod(seen, scope, found or estate(), None)


CASES: dict[str, tuple[PodSeen, dict[str, Any], State, str, str]] = {
    "on an accepted node": (pod("brest-1"), {}, State.INSIDE, "in brest, which policy secnumcloud accepts", "nothing"),
    "on a refused node": (
        pod("paris-1"),
        {},
        State.OUTSIDE,
        "on paris-1, which policy secnumcloud does not accept: paris: Globex",
        "kubectl -n hospital rollout restart deployment/records",
    ),
    "on a refused node, while none is accepted": (
        pod("other"),
        {"found": estate(NO_NODE_LEFT)},
        State.OUTSIDE,
        "other is in no datacentre",
        "make a node acceptable first: 1 node is refused with NotInDatacentre: name it in spec.nodes",
    ),
    "on a refused node, and would hang": (
        pod("paris-1", again=again(Outcome.HANGS, "none of them meets PersistentVolume pv-3 of claim data")),
        {},
        State.OUTSIDE,
        "paris",
        "mend this first, as new pods would wait: none of them meets PersistentVolume pv-3 of claim data; then to",
    ),
    "on a refused node, and would be refused": (
        pod("paris-1", again=again(Outcome.REFUSED, "spec.nodeName names node paris-1")),
        {},
        State.OUTSIDE,
        "paris",
        "mend this first, as new pods would be refused: spec.nodeName names node paris-1; then",
    ),
    "on a refused node, for which it cannot be told": (
        pod("paris-1", again=again(Outcome.CANNOT_TELL, "you may not list all pods")),
        {},
        State.OUTSIDE,
        "paris",
        "find out first whether new pods would start, which cannot be told: you may not list all pods; then",
    ),
    "on a refused node, and would move": (
        pod("paris-1", again=again(Outcome.MOVES, "accepted nodes have room")),
        {},
        State.OUTSIDE,
        "paris",
        "to move its pods: kubectl -n hospital rollout restart deployment/records",
    ),
    "on a node that is gone": (
        pod("brest-1"),
        {"found": estate(without(BREST))},
        State.OUTSIDE,
        "a node that is gone",
        "rollout restart",
    ),
    "of a Job": (pod("paris-1", owner=Owner("Job", "export")), {}, State.OUTSIDE, "paris", "delete pod records-1"),
    "of an operator of others": (
        pod("paris-1", owner=Owner("Cluster", "db")),
        {},
        State.OUTSIDE,
        "paris",
        "delete the pod to have it run elsewhere",
    ),
    "that nobody creates again": (pod("paris-1", owner=None), {}, State.OUTSIDE, "paris", "create it again"),
    "of a node's own files": (pod("paris-1", owner=None, static=True), {}, State.OUTSIDE, "paris", "static pod"),
    "that cannot be read": (pod("brest-1", unreadable=True), {}, State.OUTSIDE, "cannot be read", "rollout restart"),
    "older than the label": (
        pod("brest-1", placed=()),
        {},
        State.INSIDE,
        "older than the policy's hold",
        "rollout restart",
    ),
    "whose sidecar starts": (
        replace(pod("brest-1"), sidecar_awaited=FACTS.now - timedelta(seconds=59)),
        {},
        State.INSIDE,
        "which policy secnumcloud accepts",
        "nothing",
    ),
    "whose sidecar does not start": (
        replace(pod("brest-1"), sidecar_awaited=FACTS.now - timedelta(minutes=7)),
        {},
        State.INSIDE,
        "but its containers have waited 7 minutes for its sidecar",
        "read kubectl -n hospital logs records-1 -c sovereignty-sidecar, which says whether it has a certificate",
    ),
    "that waits for room": (
        pod(waiting=SAID),
        {},
        State.PENDING,
        f"2 accepted nodes would suit it; the scheduler says: {SAID}",
        "make room on brest-1",
    ),
    "that is older than the refusal of the node that the scheduler chooses": (
        pod(waiting=f"binding rejected: denied request: {REFUSED_BINDING}: pod records-1 cannot be bound to lyon-1"),
        {},
        State.PENDING,
        "the scheduler chose that node, and may go on choosing it; it says: binding rejected",
        "delete this one",
    ),
    "that the scheduler has not seen": (pod(), {}, State.PENDING, "has not looked at it yet", "keep it off brest-1"),
    "that other pods keep off": (
        pod(waiting="didn't match pod anti-affinity rules"),
        {},
        State.PENDING,
        "2 accepted nodes would suit it",
        "neither the policy nor the pod's own rules keep it off brest-1",
    ),
    "whose own rules keep it off": (
        pod(spec={"nodeSelector": {"disk": "ssd"}}),
        {},
        State.PENDING,
        "its own rules keep it off the 2 nodes that policy secnumcloud accepts: brest-1 does not meet",
        "change the pod template of Deployment records, or brest-1, which does not meet spec.nodeSelector (disk In",
    ),
    "that tolerates no taint": (
        pod(),
        {"found": estate(taints=TAINTED)},
        State.PENDING,
        "has the taint dedicated:NoSchedule",
        "change the pod template of Deployment records, or brest-1",
    ),
    "while no node is accepted": (
        pod(),
        {"found": estate(NO_NODE_LEFT)},
        State.PENDING,
        "policy secnumcloud accepts no node",
        "1 node is refused with NotInDatacentre",
    ),
    "that waits for a gate": (pod(gates=("example.org/quota",)), {}, State.PENDING, "gates", "example.org/quota"),
    "that waits, older than the label": (pod(placed=()), {}, State.PENDING, "older than", "rollout restart"),
    "that has ended": (pod("paris-1", ended=True), {}, State.ENDED, "has ended", "nothing"),
    "out of scope": (pod("paris-1"), {"scope": FREE}, State.FREE, "no policy is in effect", "nothing"),
    "out of scope, and waits as it did in scope": (
        pod(waiting=SAID),
        {"scope": FREE},
        State.FREE,
        "created under policy secnumcloud and still selects its nodes",
        "have it created again, without that selector: kubectl -n hospital delete pod records-1",
    ),
    "of a DaemonSet that has left the scope": (
        pod(owner=Owner("DaemonSet", "logs")),
        {"scope": FREE},
        State.FREE,
        "still selects its nodes",
        "kubectl -n hospital rollout restart daemonset/logs",
    ),
    "out of scope, and waits for another reason": (
        pod(waiting=SAID, placed=()),
        {"scope": FREE},
        State.FREE,
        "no policy is in effect",
        "nothing",
    ),
    "that wants a node by name": (
        pod(spec={"nodeSelector": {"kubernetes.io/hostname": "paris-1"}}),
        {},
        State.PENDING,
        "its own rules keep it off",
        "change the pod template of Deployment records, which asks for other nodes than the policy: brest-1 does not",
    ),
    "of a policy that does not exist": (
        pod(),
        {"scope": Scope("secnumclod", "", "there is no SovereigntyPolicy secnumclod: create it")},
        State.UNKNOWN,
        "there is no SovereigntyPolicy secnumclod",
        "create it",
    ),
}


@pytest.mark.parametrize(("seen", "given", "state", "why", "advice"), CASES.values(), ids=CASES.keys())
def test_a_pod(seen: PodSeen, given: dict[str, Any], state: State, why: str, advice: str) -> None:
    found = explain(seen, **given)
    assert found.state is state
    assert why in found.why
    assert advice in found.next
    assert found.exit_code == (advice != "nothing")


RECORDED: dict[str, tuple[PodSeen, Estate, State, str]] = {
    "recorded on the pod as accepted": (
        pod("brest-1", recorded={"policy": POLICY, "verdict": "accepted: brest, until 2031"}),
        blind(),
        State.INSIDE,
        "brest, until 2031 (as the operator recorded it on the pod)",
    ),
    "recorded on the pod as refused": (
        pod("paris-1", recorded={"policy": POLICY, "verdict": "refused: paris: no"}),
        blind(),
        State.OUTSIDE,
        "paris: no (as the operator recorded it on the pod)",
    ),
    "recorded on its node": (
        pod("paris-1"),
        unjudged({"paris-1": {POLICY: "refused: paris: no"}}),
        State.OUTSIDE,
        "paris: no (as the operator recorded it on the node)",
    ),
    "recorded for another policy": (
        pod("brest-1", recorded={"policy": "hds", "verdict": "accepted: brest"}),
        blind(),
        State.UNKNOWN,
        "the operator has recorded none",
    ),
    "recorded nowhere": (pod("brest-1"), blind(), State.UNKNOWN, "you may not read what its verdict rests on"),
    "that waits": (pod(waiting=SAID), blind(), State.PENDING, f"accepts; the scheduler says: {SAID}"),
}


@pytest.mark.parametrize(("seen", "found", "state", "why"), RECORDED.values(), ids=RECORDED.keys())
def test_a_pod_for_somebody_who_may_not_list_nodes(seen: PodSeen, found: Estate, state: State, why: str) -> None:
    answer = explain(seen, found=found)
    assert answer.state is state
    assert why in answer.why


def test_one_that_may_not_be_judged_says_who_can() -> None:
    assert "somebody who may list nodes" in explain(pod("brest-1"), found=blind()).next
    assert explain(pod("brest-1"), found=blind()).exit_code == 1


def test_of_several_nodes_that_fail_the_one_that_lacks_least_is_to_be_changed() -> None:
    taints = {"brest-1": ({"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "NoSchedule"})}
    seen = pod(spec={"nodeSelector": {"disk": "ssd"}}, owner=None)
    assert explain(seen, found=estate(taints=taints)).next.startswith("change the pod, or lyon-1, which does not meet")


def test_a_node_that_is_not_labelled_yet_is_nothing_to_change_in_the_pod() -> None:
    answer = explain(pod(), found=estate(without(LYON), labelled=()))
    assert answer.state is State.PENDING
    assert answer.why == "the operator has not labelled brest-1 yet, which would suit it"
    assert "kubectl sovereign check" in answer.next


def for_node(name: str) -> dict[str, Any]:
    """Return the spec of a pod as the DaemonSet controller creates it for a node."""
    field = {"key": "metadata.name", "operator": "In", "values": [name]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def test_a_pod_of_a_daemon_set_for_a_refused_node_that_keeps_the_label_is_explained() -> None:
    made = pod(owner=Owner("DaemonSet", "agent"), spec=for_node("paris-1"), waiting="0/4 nodes are available")
    answer = explain(made, found=estate(labelled=("brest-1", "lyon-1", "paris-1")))
    assert answer.state is State.PENDING
    assert "wants it on paris-1, which policy secnumcloud refuses, and which keeps the policy's label" in answer.why
    assert "move the policy's pods off paris-1; if a roll-out waits" in answer.next
    assert "maxUnavailable of DaemonSet agent by" in answer.next


@pytest.mark.parametrize(
    ("kind", "node", "labelled"),
    [
        ("ReplicaSet", "paris-1", ("brest-1", "lyon-1", "paris-1")),
        # Without the label, the DaemonSet controller removes the pod by itself.
        ("DaemonSet", "paris-1", ("brest-1", "lyon-1")),
        ("DaemonSet", "lyon-1", ("brest-1", "lyon-1", "paris-1")),
    ],
)
def test_no_other_pod_is_explained_so(kind: str, node: str, labelled: tuple[str, ...]) -> None:
    answer = explain(pod(owner=Owner(kind, "agent"), spec=for_node(node)), found=estate(labelled=labelled))
    assert "maxUnavailable" not in answer.next


def test_what_stands_in_the_way_of_encryption_is_a_finding() -> None:
    said = obstacles(["default-deny"], "port 8443, called for APIService x", cut_off_by=["no-egress"])
    answer = explain_pod(pod("brest-1"), SCOPE, estate(), None, said)
    assert (answer.next, answer.exit_code) == ("nothing", 1)
    assert answer.findings == said
    assert "no connection to TCP port 8443 of the signers: no-egress: add one that does" in said[0]
    assert "TCP port 15022: default-deny: add one that does" in said[1]
    assert "which calls it (port 8443, called for APIService x): name the ports in plainPorts" in said[2]
    assert obstacles([], "") == ()
    (full,) = obstacles([], "", refused="2030-06-15T12:00:00Z")
    assert full.startswith("its sidecar refused connections (2030-06-15T12:00:00Z), because it carries as many as")
