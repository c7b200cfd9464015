"""Of long texts in an object, mirrors keep only a part."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core import names
from sovereign_operator.core.encryption.agent_report import MOST_PODS, parse
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.kube.objects.node import see_node
from sovereign_operator.kube.objects.pod import see_pod
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.objects.workload import see_workload
from sovereign_operator.kube.unreadable import Unreadable, UnreadableObjects

Json = dict[str, Any]

LONG: Final = "a" * 1_000_000
MOST: Final = 40_000
"""The length of a condition's message, with some reserve."""
METADATA: Final[Json] = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "7"}


def with_sidecar(**status: Any) -> Json:
    told = {"configMap": {"name": sidecar.transit_config_map(LONG)}}
    volume = {"name": sidecar.TRANSIT_VOLUME, "projected": {"sources": [told]}}
    spec = {"initContainers": [{"name": sidecar.CONTAINER}], "containers": [], "volumes": [volume]}
    return {"metadata": METADATA | {"labels": {names.PLACED_LABEL: "a"}}, "spec": spec, "status": status}


def pod_that_waits() -> Any:
    waits = {"type": "PodScheduled", "status": "False", "message": LONG}
    return see_pod({"metadata": METADATA, "spec": {"containers": []}, "status": {"conditions": [waits]}})


def pod_beside_its_sidecar() -> Any:
    return see_pod(with_sidecar(containerStatuses=[{"name": LONG, "user": {"linux": {"uid": sidecar.UID}}}]))


def node() -> Any:
    return see_node({"metadata": METADATA, "spec": {"providerID": f"aws:///{LONG}"}})


def deployment() -> Any:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": LONG}
    return see_workload(WorkloadKind.DEPLOYMENT, {"metadata": METADATA, "status": {"conditions": [late]}})


def job() -> Any:
    failed = {"type": "Failed", "status": "True", "message": LONG}
    return see_workload(WorkloadKind.JOB, {"metadata": METADATA, "status": {"conditions": [failed]}})


def datacentre() -> Any:
    seen = see_spec({"metadata": METADATA, "spec": {"nodeSelector": {LONG: 5}}}, DatacentreSpec)
    assert isinstance(seen, Unreadable)
    return seen, seen.error


def unreadable() -> Any:
    objects = UnreadableObjects("pods")
    objects.note(("ns", "a"), LONG)
    found = dict(objects.errors)
    objects.keep()
    return found


def pod_with_a_sidecar() -> Any:
    return see_pod(with_sidecar())


SEEN: Final = (
    pod_that_waits,
    pod_with_a_sidecar,
    pod_beside_its_sidecar,
    node,
    deployment,
    job,
    datacentre,
    unreadable,
)


@pytest.mark.parametrize("see", SEEN)
def test_long_texts_are_cut(see: Callable[[], Any]) -> None:
    assert len(repr(see())) < MOST


def test_a_pod_whose_orders_no_policy_can_have_has_no_sidecar() -> None:
    assert pod_with_a_sidecar().transit == ""


def test_what_contradicts_a_nodes_place_still_does() -> None:
    assert node().node.provider_id.startswith("aws:///a")


@pytest.mark.parametrize(
    "line", ["{n} p 1 10.0.0.1", "{n} p 1 ", "é{n} p 1 ", f"{LONG} p 1 ", f"u {LONG} 1 ", f"u p 1 {LONG}"]
)
def test_a_report_of_more_pods_than_a_node_has_is_cut(line: str) -> None:
    text = "\n".join(line.replace("{n}", str(number)) for number in range(100_000 if "{n}" in line else 1))
    found = parse(text)
    assert len(found) <= MOST_PODS
    assert all(len(f"{uid}{loaded}") < MOST for uid, loaded in found.items())
