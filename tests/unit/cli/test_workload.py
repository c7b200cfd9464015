"""Where the pods of a workload are, whether new ones would find a node, and the one thing to do."""

from typing import Any

import pytest

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.cli.answers.claim import Claim, Condition
from sovereign_operator.cli.answers.placing import own_rules
from sovereign_operator.cli.answers.pod_seen import PodSeen
from sovereign_operator.cli.answers.scope import Scope
from sovereign_operator.cli.answers.workload import WorkloadSeen, explain_workload
from tests import builders
from tests.unit.cli.clusters import FREE, POLICY, SCOPE, estate, pod

INSIDE, OUTSIDE, PENDING = pod("brest-1", name="a"), pod("paris-1", name="b"), pod(name="c", waiting="no room")
OLDER = pod("lyon-1", name="d", placed=())
REFUSED = 'pods "records-" is forbidden: quota'
FAR = {"nodeSelector": {"kubernetes.io/hostname": "paris-1"}}
NO_NODE = estate(builders.facts(builders.node("x"), policies={POLICY: builders.policy(builders.demand())}))


def seen(
    *pods: PodSeen, spec: dict[str, Any] | None = None, kind: WorkloadKind = WorkloadKind.DEPLOYMENT, **fields: Any
) -> WorkloadSeen:
    return WorkloadSeen(kind, "hospital", "records", {}, own_rules(spec or {}), pods, **fields)


@pytest.mark.parametrize(
    ("workload", "given", "why", "advice"),
    [
        (seen(INSIDE), {}, "of 1 pod: 1 inside", "nothing"),
        (
            seen(INSIDE, OUTSIDE, PENDING),
            {},
            "of 3 pods: 1 inside, 1 outside, 1 pending; c: 2 accepted nodes would suit it",
            "see what the scheduler misses",
        ),
        (seen(INSIDE, OUTSIDE), {}, "of 2 pods: 1 inside, 1 outside; b: it runs on paris-1", "restart"),
        (seen(INSIDE, PENDING), {}, "c: 2 accepted nodes would suit it", "see what the scheduler misses"),
        (seen(INSIDE, OLDER), {}, "d: it runs on lyon-1", "restart"),
        (seen(INSIDE, refused=(REFUSED,)), {}, "the API server refuses new pods", REFUSED),
        (seen(), {}, "it has no pods", "nothing"),
        (
            seen(spec={"nodeSelector": {"disk": "ssd"}}),
            {},
            "a new pod would find no node: brest-1",
            "Deployment records",
        ),
        (seen(), {"estate": NO_NODE}, "policy secnumcloud accepts none", "NotInDatacentre"),
        (seen(OUTSIDE), {"scope": FREE}, "no policy is in effect", "nothing"),
        (seen(PENDING), {"scope": FREE}, "c: no policy is in effect any more", "delete pod c"),
        (
            seen(kind=WorkloadKind.DAEMON_SET, placed_for=frozenset({POLICY})),
            {"scope": FREE},
            "its pod template still selects the nodes of policy secnumcloud",
            "kubectl -n hospital rollout restart daemonset/records",
        ),
        (seen(spec=FAR), {}, "a new pod would find no node", "which asks for other nodes than the policy: brest-1"),
        (seen(INSIDE), {"scope": Scope("x", "", "there is no SovereigntyPolicy x: create it")}, "no node", "create it"),
    ],
)
def test_a_workload(workload: WorkloadSeen, given: dict[str, Any], why: str, advice: str) -> None:
    answer = explain_workload(workload, given.get("scope", SCOPE), given.get("estate", estate()), None)
    assert why in answer.why
    assert advice in answer.next
    assert answer.healthy == (answer.next == "nothing")
    assert answer.exit_code == (not answer.healthy)
    assert [row.pod for row in answer.pods] == [entry.pod.name for entry in workload.pods]


def test_it_speaks_of_the_template_where_a_pod_has_its_own_label() -> None:
    scope = Scope(POLICY, "the pod has the label sovereignty.dev/policy; the namespace enforces none")
    assert explain_workload(seen(), scope, estate(), None).policy_source.startswith("the pod template has the label")


def test_nodes_do_not_meet_what_is_left_of_a_policy() -> None:
    left = seen(kind=WorkloadKind.DAEMON_SET, placed_for=frozenset({POLICY}))
    rows = {row.node: row.fits for row in explain_workload(left, FREE, estate(), None).nodes}
    assert rows == {"brest-1": True, "lyon-1": True, "paris-1": False, "spare-1": False}


def test_a_sovereign_workload_that_is_not_ready_is_something_to_do() -> None:
    unready = Condition("Ready", "False", "WorkloadInProgress", "1 of 2 pods crash")
    answer = explain_workload(seen(INSIDE), SCOPE, estate(), Claim("records", (unready,)))
    assert answer.exit_code == 1
    assert answer.why.endswith("but SovereignWorkload records is not ready: 1 of 2 pods crash")
    assert answer.next == "kubectl describe the workload and its pods"


def test_an_outdated_reason_has_its_message_for_advice() -> None:
    answer = explain_workload(seen(INSIDE), SCOPE, estate(), Claim("a", (Condition("Ready", "False", "Odd", "why"),)))
    assert answer.next == "do what the message of SovereignWorkload a says"
