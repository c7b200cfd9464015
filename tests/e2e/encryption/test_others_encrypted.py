"""Manifests of other projects keep working in every mode, or the status names the field to set."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from uuid import uuid4

import pytest
import yaml

from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.observed import living_pods
from tests.e2e.support.sidecars import encrypted, refusal, sidecar_of
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import change, encrypting_policy
from tests.e2e.support.workloads_of_others import JOBS, MANIFESTS, SERVERS, put, until_answered, until_pods_may_start
from tests.workloads import FOLDER, QUESTIONS, Complete, find_pod_specs

POLICY = "hospital-others"
GUESTBOOK = "kubernetes-examples/web/guestbook/all-in-one/guestbook-all-in-one.yaml"
SHORT_SECONDS = 60
SHORT_JOBS = [
    path
    for path in JOBS
    if all(asked.ask.seconds <= SHORT_SECONDS for asked in QUESTIONS[path] if isinstance(asked.ask, Complete))
]

PAST_THE_SIDECAR: Mapping[str, str] = {
    "kubernetes-examples/_archived/newrelic/newrelic-daemonset.yaml": "spec.hostNetwork is true",
    "kubernetes-examples/_archived/sysdig-cloud/sysdig-daemonset.yaml": "spec.hostNetwork is true",
    "kubernetes-examples/_archived/volumes/nfs/nfs-server-deployment.yaml": "container nfs-server is privileged",
}
"""Files with a pod that is refused, and the reason in the message."""


@pytest.fixture
def spaces(admin: Kubectl, cluster: Cluster) -> Iterator[dict[str, str]]:
    """Start all servers at once, in Permissive; return the namespace of each file."""
    cluster.load_image(public.archive_all(sorted({name for path in QUESTIONS for name in MANIFESTS[path].images})))
    batch = uuid4().hex[:6]
    made = {path: f"modes-{number}-{batch}" for number, path in enumerate([*SERVERS, *SHORT_JOBS, GUESTBOOK])}
    with encrypting_policy(admin, cluster, POLICY, mode="Permissive"):
        labels = {"sovereignty.dev/enforce": POLICY}
        for name in made.values():
            admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        until_pods_may_start(admin, made.values())
        for path in SERVERS:
            put(admin, MANIFESTS[path], made[path])
        # The web page's image is not available here.
        documents = yaml.safe_load_all((FOLDER / GUESTBOOK).read_text(encoding="utf-8"))
        redis = [document for document in documents if document["metadata"]["name"].startswith("redis-")]
        admin.apply(*redis, namespace=made[GUESTBOOK])
        yield made
        admin.run("delete", "namespace", *made.values(), "--wait=false")


def until_all_answer(admin: Kubectl, spaces: dict[str, str]) -> None:
    """Wait until every workload answers, and the replicas follow their master in another pod."""
    for path in SERVERS:
        for question in QUESTIONS[path]:
            until_answered(admin, spaces[path], question)
    where = ("-n", spaces[GUESTBOOK], "exec", "deployment/redis-replica", "-c", "replica", "--")
    followed = partial(admin.run, *where, "redis-cli", "info", "replication")
    eventually(lambda: "master_link_status:up" in followed(), what="a replica that follows")
    # The master names its replicas by the addresses that they come from, and a Sentinel reads them there.
    named = partial(admin.run, "-n", spaces[GUESTBOOK], "exec", "deployment/redis-master", "-c", "master", "--")
    selector = "app=redis,role=replica"
    eventually(
        lambda: all(
            f"ip={pod['status']['podIP']},port=6379,state=online" in named("redis-cli", "info", "replication")
            for pod in living_pods(admin, spaces[GUESTBOOK], selector)
        ),
        what="a master that knows its replicas",
    )


def test_what_others_wrote_works_in_every_mode(admin: Kubectl, cluster: Cluster, spaces: dict[str, str]) -> None:
    until_all_answer(admin, spaces)
    for namespace in spaces.values():
        assert all(sidecar_of(pod) for pod in living_pods(admin, namespace))
    change(admin, POLICY, mode="Preferred")
    eventually(lambda: admin.get("spol", POLICY)["status"]["encryption"]["mode"] == "Preferred", what="Preferred")
    # Replicas that connected before Preferred did so in plaintext, and would stay connected.
    admin.run("-n", spaces[GUESTBOOK], "rollout", "restart", "deployment/redis-replica")
    admin.run("-n", spaces[GUESTBOOK], "rollout", "status", "deployment/redis-replica", "--timeout=120s")
    until_all_answer(admin, spaces)

    # The test sends plaintext from outside, as a load balancer would: the status reports it.
    change(admin, POLICY, mode="Strict")

    def told() -> bool:
        until_all_answer(admin, spaces)
        return "took plaintext in the last 3 s: find out from whom" in encrypted(admin, POLICY)["message"]

    eventually(told, what="word of plaintext")
    change(admin, POLICY, plainPeers=[{"network": f"{cluster.machine}/32", "reason": "asks from outside"}])
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict")
    until_all_answer(admin, spaces)
    for path in SHORT_JOBS:
        put(admin, MANIFESTS[path], spaces[path])
    for path in SHORT_JOBS:
        for question in QUESTIONS[path]:
            until_answered(admin, spaces[path], question)


def as_its_controller_has_it(spec: Json, document: Json) -> Json:
    """Return a pod spec for use without its controller: with its StatefulSet's claims, without a service account."""
    claims = {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", ())}
    claimed = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in sorted(claims)]
    others = [volume for volume in spec.get("volumes", ()) if volume["name"] not in claims]
    kept = {key: value for key, value in spec.items() if key != "serviceAccountName"}
    return kept | {"volumes": [*others, *claimed]}


def test_who_can_have_no_sidecar_is_told_why(admin: Kubectl, transit: str, space: Space) -> None:
    pods: dict[str, tuple[str, Json]] = {}
    for path, manifest in MANIFESTS.items():
        for document in manifest.documents:
            for spec in find_pod_specs(document):
                name = f"pod-{len(pods)}"
                pods[name] = path, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}
                pods[name][1]["spec"] = as_its_controller_has_it(spec, document)

    def refusals(namespace: str) -> dict[str, str]:
        """Try all pods at once, then the refused ones one by one: not every error names its pod."""
        everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod for _, pod in pods.values()]})
        done = admin.attempt("-n", namespace, "create", "--dry-run=server", "-o", "name", "-f", "-", stdin=everything)
        refused = pods.keys() - {line.removeprefix("pod/") for line in done.stdout.splitlines()}
        return {path: refusal(admin, pod, namespace) for path, pod in map(pods.__getitem__, refused)}

    assert refusals(space(None)) == {}
    refused = refusals(space(transit))
    assert refused.keys() == PAST_THE_SIDECAR.keys()
    for path, words in PAST_THE_SIDECAR.items():
        assert words in refused[path], path
