"""A preview of more than forty namespaces with manifests of others comes true once a policy is enforced in them.

The pods run on simulated nodes, so that images need not exist; scheduler, controllers and admission are real.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.became import Key, Scene, again, became, look, uids
from tests.e2e.support.client import Client
from tests.e2e.support.fake_nodes import DEDICATED, INSIDE, fake_nodes
from tests.e2e.support.hard_cases import OWNER, encrypted_cases, hard_cases, owned
from tests.e2e.support.manifests import pod, trigger
from tests.e2e.support.workloads_of_others import MANIFESTS, put, until_pods_may_start

POLICY = "secnumcloud"
ACCEPTED = {*estate.ACCEPTED, *INSIDE, DEDICATED}
CLUSTER_WIDE = ("PersistentVolume", "StorageClass")
SETTLING = {"seconds": 120, "pause": 1.0}


@dataclass(frozen=True)
class Journey:
    """What was said, and what became true."""

    said: Mapping[Key, Json]
    became: Mapping[Key, str]
    namespaces: int


@pytest.fixture(scope="module")
def journey(
    admin: Kubectl, cluster: Cluster, transit: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Journey]:
    """Preview a policy for all namespaces, enforce it, and have all pods replaced."""
    batch = uuid4().hex[:6]
    spaces = {path: f"theirs-{number}-{batch}" for number, path in enumerate(MANIFESTS)}
    cases = hard_cases(batch)
    policies = dict.fromkeys((*spaces.values(), *(f"{case}-{batch}" for case in cases)), POLICY)
    policies[f"encrypted-{batch}"] = transit
    lasting = [obj for objects in cases.values() for obj in objects if obj["kind"] in CLUSTER_WIDE]
    with fake_nodes(admin, cluster, tmp_path_factory.mktemp("kwok") / "log"):
        try:
            _create(admin, batch, spaces, cases, [*policies])
            yield _travel(admin, Client(admin.kubeconfig), policies)
        finally:
            admin.run("delete", "namespace", *policies, "--wait=false")
            eventually(lambda: not look(admin, [*policies]).pods, what="no pods any more", **SETTLING)
            for obj in lasting:
                admin.run("delete", obj["kind"], obj["metadata"]["name"], "--wait=false")


def _create(
    admin: Kubectl, batch: str, spaces: Mapping[str, str], cases: Mapping[str, list[Json]], namespaces: list[str]
) -> None:
    admin.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces))
    until_pods_may_start(admin, namespaces)
    for path, namespace in spaces.items():
        put(admin, MANIFESTS[path], namespace)
    for case, objects in cases.items():
        admin.apply(*objects, namespace=f"{case}-{batch}")
    admin.apply(*encrypted_cases(), namespace=f"encrypted-{batch}")
    alone = f"alone-{batch}"
    admin.apply(*owned(admin.get("configmap", OWNER, alone)["metadata"]["uid"]), namespace=alone)


def _settled(admin: Kubectl, namespaces: list[str], without: set[str]) -> Scene:
    """Wait until all workloads have got as far as they can, and return them."""

    def seen() -> Scene:
        found = look(admin, namespaces, without=without)
        assert not found.unsettled()
        return found

    return eventually(seen, what="workloads that have got as far as they can", **SETTLING)


def _travel(admin: Kubectl, client: Client, policies: Mapping[str, str]) -> Journey:
    before = _settled(admin, [*policies], set())
    said = _preview(client, policies)
    for policy in {*policies.values()}:
        held = [name for name, wanted in policies.items() if wanted == policy]
        admin.run("label", "namespace", *held, f"sovereignty.dev/enforce={policy}")
        eventually(partial(_is_in_force, admin, held[-1]), what="a label in force")
    former = look(admin, [*policies])
    _replace(admin, former, [*policies])
    after = _settled(admin, [*policies], uids((before, former)))
    keys = before.keys | after.keys
    return Journey(said, {key: became(key, before, after, ACCEPTED) for key in keys}, len(policies))


def _preview(client: Client, policies: Mapping[str, str]) -> dict[Key, Json]:
    """Ask once for all namespaces, and once more for each that is to enforce another policy."""
    others = {name: policy for name, policy in policies.items() if policy != POLICY}
    rows = client.ask("preview", "--policy", POLICY, "-A", code=1)["rows"]
    said = {(row["namespace"], row["workload"]): row for row in rows if row["namespace"] in policies.keys() - others}
    for namespace, policy in others.items():
        rows = client.ask("preview", "--policy", policy, "-n", namespace, code=1)["rows"]
        said |= {(namespace, row["workload"]): row for row in rows}
    return said


def _is_in_force(admin: Kubectl, namespace: str) -> bool:
    refused = json.dumps(pod("refused", nodeName="paris-1"))
    words = ("-n", namespace, "create", "--dry-run=server", "-f", "-")
    return "node not accepted" in admin.attempt(*words, stdin=refused).stderr


def _replace(admin: Kubectl, former: Scene, namespaces: list[str]) -> None:
    """Have all pods replaced, and what starts pods at some time do so now. Nobody creates some pods again but us."""
    daemons = [key for key, obj in former.workloads.items() if obj["kind"] == "DaemonSet"]
    for namespace, name in daemons:
        # Admission writes the template of a DaemonSet when that is written.
        admin.run("-n", namespace, "rollout", "restart", name)
    jobs = [obj for obj in former.workloads.values() if obj["kind"] == "Job"]
    for job in jobs:
        # Some of them fail for good when a pod is deleted.
        admin.run("-n", job["metadata"]["namespace"], "delete", "job", job["metadata"]["name"], "--wait=true")
    for namespace in namespaces:
        admin.run("-n", namespace, "delete", "pods", "--all", "--wait=false")
    alone = [obj for key, pods in former.pods.items() if key not in former.workloads for obj in pods]
    # Until it is gone, another one of its name cannot be created.
    gone = {obj["metadata"]["uid"] for obj in alone}
    eventually(
        lambda: not gone & {obj["metadata"]["uid"] for obj in admin.list("pods")}, what="no former pods", **SETTLING
    )
    for obj in (*jobs, *alone):
        admin.apply(again(obj))
    for (namespace, name), obj in former.workloads.items():
        if obj["kind"] == "CronJob":
            trigger(admin, obj["kind"], namespace, name.partition("/")[2])


def test_every_workload_of_more_than_forty_namespaces_has_a_row(journey: Journey) -> None:
    assert journey.namespaces > 40
    assert journey.said.keys() == journey.became.keys()


def test_no_definite_row_was_wrong(journey: Journey) -> None:
    wrong = {
        key: f"{row['outcome']} was said, as {row['reason']}; became: {journey.became.get(key)}"
        for key, row in journey.said.items()
        if row["outcome"] not in ("cannot tell", journey.became.get(key))
    }
    assert not wrong


def test_few_rows_say_that_it_cannot_be_told(journey: Journey) -> None:
    numbers = Counter(row["outcome"] for row in journey.said.values())
    assert numbers["cannot tell"] * 10 <= numbers.total(), numbers
    # The rest is not all of one kind.
    assert min(numbers[outcome] for outcome in ("runs", "moves", "hangs", "refused")) >= 10, numbers
