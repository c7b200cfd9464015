"""What admission writes into random pods, compared with an independent expectation."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from hack.cluster import Cluster
from hack.kubectl import Json
from sovereign_operator.core import names
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from tests.e2e.support.manifests import pod_spec
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.every_kubernetes

Map = dict[str, str] | None

POLICY, OTHER = "secnumcloud", "hds"
PODS = 100
AT_ONCE = 8
OPERATORS = ("audit.sovereignty.dev/", "verdict.sovereignty.dev/")
"""Prefixes of annotations that only the operator may write."""
RECORD = "audit.sovereignty.dev/policy"
MOST = 2000
"""How many annotations a pod may have."""

LABELS = ({"app": "a"}, {names.PLACED_LABEL: OTHER}, {names.PLACED_LABEL: "", "example.org/tier": "front"})
ANNOTATIONS = (
    {"example.org/note": "~/a"},
    {RECORD: OTHER},
    {RECORD: OTHER, "audit.sovereignty.dev/verdict": "accepted, by me", "verdict.sovereignty.dev/hds": "accepted"},
    {"audit.sovereignty.dev.example.org/x": "y", "verdict.sovereignty.dev/hds": "accepted", "note": ""},
)
CROWDS = (
    {f"{OPERATORS[number % 2]}{'x' * 50}-{number}": "x" for number in range(MOST)},
    {f"{OPERATORS[0] if number % 2 else ''}{number}": "x" for number in range(MOST)},
)
SELECTORS = (
    {"kubernetes.io/os": "linux"},
    {names.node_policy_label(OTHER): "accepted"},
    {names.node_policy_label(POLICY): "no"},
)


def random_pod(dice: random.Random) -> Json:
    """Return a pod without some of the maps that admission writes to, or with entries that admission overwrites."""
    return pod_with(*(dice.choice((None, {}, *maps)) for maps in (LABELS, ANNOTATIONS, SELECTORS)))


def pod_with(labels: Map = None, annotations: Map = None, selector: Map = None) -> Json:
    """Return a pod with those of these maps that are given."""
    metadata = {"generateName": "pod-", "labels": labels, "annotations": annotations}
    # A mounted service account token would have a random name.
    spec = pod_spec(automountServiceAccountToken=False, nodeSelector=selector)
    parts = {"metadata": metadata, "spec": spec}
    given = {name: {key: value for key, value in part.items() if value is not None} for name, part in parts.items()}
    return {"apiVersion": "v1", "kind": "Pod", **given}


def wanted(pod: Json, spec: Json) -> Json:
    """Return the expected pod, given the spec that the API server completes for a pod without a nodeSelector."""
    metadata, selector = pod["metadata"], pod["spec"].get("nodeSelector", {})
    others = {key: value for key, value in metadata.get("annotations", {}).items() if not key.startswith(OPERATORS)}
    return {
        "labels": metadata.get("labels", {}) | {names.PLACED_LABEL: POLICY},
        "annotations": others | {RECORD: POLICY},
        "spec": spec | {"nodeSelector": selector | {names.node_policy_label(POLICY): names.ACCEPTED}},
    }


async def admitted(cluster: Cluster, namespace: str, pods: Sequence[Json]) -> list[Json]:
    """Return labels, annotations and spec of pods as the API server would store them."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with await connect(cluster.kubeconfig) as client:
        api = Api(client, ServerClock())

        async def create(pod: Json) -> Json:
            async with turns:
                made = await api.request("POST", resource.PODS.path(namespace=namespace), pod, query={"dryRun": "All"})
            metadata = made["metadata"]
            return {"labels": metadata.get("labels"), "annotations": metadata.get("annotations"), "spec": made["spec"]}

        return await asyncio.gather(*map(create, pods))


@pytest.mark.parametrize("named", [{}, {names.POLICY_LABEL: POLICY}], ids=["by its namespace", "by its label"])
def test_pods_are_placed_marked_and_cleaned_and_stay_as_they_are_otherwise(
    cluster: Cluster, space: Space, named: dict[str, str]
) -> None:
    """The API server runs what writes into a pod a second time if others change it; the second run changes nothing."""
    dice = random.Random(1)
    pods = [*(random_pod(dice) for _ in range(PODS)), *(pod_with(annotations=crowd) for crowd in CROWDS)]
    for pod in pods:
        if named:
            pod["metadata"]["labels"] = pod["metadata"].get("labels", {}) | named
    (free,) = asyncio.run(admitted(cluster, space(None), [pod_with()]))
    found = asyncio.run(admitted(cluster, space(None if named else POLICY), pods))
    assert found == [wanted(pod, free["spec"]) for pod in pods]
