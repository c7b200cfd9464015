"""Objects that others write are read, or replaced by their worst case, whatever they contain: no converter ends a
mirror.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovereign_operator.agent.decide import see_pod as see_pod_of_node
from sovereign_operator.api.v1alpha1 import KINDS
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.controller.observed.services import WORST, see_service
from sovereign_operator.core.placement.verdict import Place, place_of
from sovereign_operator.core.sidecar.injection import SidecarSettings
from sovereign_operator.core.workload.decision import MOST_ENTRIES
from sovereign_operator.injector.admission_review import MalformedError, read
from sovereign_operator.injector.review import decide_review
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror
from sovereign_operator.kube.objects.certificate import see_certificate
from sovereign_operator.kube.objects.guard import see_guard
from sovereign_operator.kube.objects.host_role import see_role
from sovereign_operator.kube.objects.node import see_node
from sovereign_operator.kube.objects.pod import see_pod
from sovereign_operator.kube.objects.report import see_report
from sovereign_operator.kube.objects.sidecar_facts import (
    NamespaceSeen,
    see_handler,
    see_limits,
    see_namespace,
    see_quota,
)
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.objects.transit_config import see_transit_config
from sovereign_operator.kube.objects.workload import (
    LARGEST_TEMPLATE,
    see_last_write,
    see_run,
    see_sovereign_workload,
    see_workload,
)
from sovereign_operator.kube.objects.worst import worst_guard, worst_node, worst_pod, worst_role, worst_workload
from sovereign_operator.kube.unreadable import UNREADABLE, Unreadable
from sovereign_operator.runtime.bundles import see_bundle, worst_bundle
from sovereign_operator.runtime.trust_configs import see_trust_config, see_trust_record
from sovereign_operator.signer.key_store import see_held
from sovereign_operator.signer.waiting import see_request

Json = dict[str, Any]

WORDS = st.sampled_from(
    ["name", "spec", "status", "f:metadata", "f:labels", "2026-01-01T00:00:00Z", "0000-01-01", "Issued", "", "x" * 300]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
KEYS = WORDS | st.sampled_from(
    [
        *("metadata", "labels", "annotations", "managedFields", "time", "fieldsV1", "ownerReferences", "nodeName"),
        *("containers", "initContainers", "volumes", "projected", "sources", "podCertificate", "signerName", "taints"),
        *("conditions", "type", "key", "podIPs", "ip", "phase", "template", "kind", "selector", "clusterIPs", "ports"),
    ]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)
PARTS = ("spec", "status", "data", "rules", "roleRef", "subjects", "kind")

LABELS = {"sovereignty.dev/host-role": "a", "sovereignty.dev/trust-of": "a", "sovereignty.dev/transit": "a"}
METADATA = {"name": "a", "namespace": "b", "uid": "u", "resourceVersion": "7"}


@st.composite
def objects(draw: Callable[..., Any]) -> Json:
    """Return an object with the metadata that an API server itself writes, and anything else."""
    metadata = draw(st.dictionaries(KEYS, VALUES, max_size=4)) | METADATA
    if draw(st.booleans()):
        metadata["labels"] = LABELS
    return {part: draw(VALUES) for part in PARTS if draw(st.booleans())} | {"metadata": metadata}


MIRRORED: dict[str, tuple[resource.Resource, Callable[[Json], Any], Callable[[Json], Any] | None]] = {
    "node": (resource.NODES, see_node, worst_node),
    "pod": (resource.PODS, see_pod, worst_pod),
    "pod of a node": (resource.PODS, see_pod_of_node, None),
    "role": (resource.CLUSTER_ROLES, see_role, worst_role),
    "guard": (resource.ADMISSION["ValidatingAdmissionPolicy"], see_guard, worst_guard),
    "certificate": (resource.CERTIFICATE_REQUESTS, see_certificate, None),
    "request": (resource.CERTIFICATE_REQUESTS, see_request, None),
    "authority": (resource.SECRETS, see_held, None),
    "service": (resource.SERVICES, partial(see_service, dns=("kube-system", "kube-dns")), lambda _: WORST),
    "namespace": (resource.NAMESPACES, see_namespace, lambda _: NamespaceSeen("")),
    "limit range": (resource.LIMIT_RANGES, see_limits, None),
    "quota": (resource.QUOTAS, see_quota, None),
    "runtime class": (resource.RUNTIME_CLASSES, see_handler, None),
    "transit": (resource.CONFIG_MAPS, see_transit_config, None),
    "report": (resource.REPORTS, see_report, None),
    "trust": (resource.CONFIG_MAPS, see_trust_config, None),
    "trust record": (resource.CONFIG_MAPS, see_trust_record, None),
    **{
        kind.value: (resource.WORKLOADS[kind], partial(see_workload, kind), partial(worst_workload, kind))
        for kind in WorkloadKind
    },
    **{kind.name: (resource.OURS[kind.plural], partial(see_spec, model=kind.spec), None) for kind in KINDS},
}


class Collection:
    """A collection that a mirror lists once, and watches for one change of the same object."""

    def __init__(self, listed: Json, watched: Json) -> None:
        self._listed, self._watched = listed, watched
        self.done = asyncio.Event()

    async def pages(self, *_: Any) -> AsyncIterator[tuple[list[Json], str]]:
        """List the object, and a valid one."""
        yield [self._listed, {"metadata": METADATA | {"name": "good"}}], "7"

    async def watch(self, *_: Any) -> AsyncIterator[tuple[str, Json]]:
        """Yield the change, and the deletion of the valid object."""
        yield "MODIFIED", self._watched
        yield "DELETED", {"metadata": METADATA | {"name": "good"}}
        self.done.set()
        await asyncio.Event().wait()


def mirrored(called: str, listed: Json, watched: Json) -> tuple[dict[Any, Any], float, list[str]]:
    """Return the mirror's content at the end, how many objects it could not read, and the names in its callbacks."""
    kind, convert, worst = MIRRORED[called]
    told: list[str] = []

    async def run() -> tuple[dict[Any, Any], float]:
        collection = Collection(listed, watched)
        options: dict[str, Any] = {"worst": worst} if worst else {}
        mirror: Mirror[Any] = Mirror(
            cast("Api", collection), kind, convert, lambda key, _old, _new: told.append(key[1]), **options
        )
        task = asyncio.create_task(mirror.run())
        async with asyncio.timeout(5):
            await collection.done.wait()
        found = dict(mirror), UNREADABLE.labels(kind.plural)._value.get()  # noqa: SLF001 - the library's own way
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert UNREADABLE.labels(kind.plural)._value.get() == 0  # noqa: SLF001
        return found

    return (*asyncio.run(run()), told)


@pytest.mark.parametrize("called", MIRRORED)
@settings(max_examples=25)
@given(listed=objects(), watched=objects())
def test_no_object_ends_a_mirror(called: str, listed: Json, watched: Json) -> None:
    found, unreadable, _ = mirrored(called, listed, watched)
    assert set(found) <= {("b", "a")}
    assert unreadable in {0, 1}


ODD: Json = {"metadata": METADATA | {"managedFields": 5}, "spec": 7, "status": []}


@pytest.mark.parametrize(
    "called", [called for called, (_, _, worst) in MIRRORED.items() if worst and called != "namespace"]
)
def test_what_cannot_be_read_is_there_and_counted(called: str) -> None:
    found, unreadable, _ = mirrored(called, ODD, ODD)
    assert (set(found), unreadable) == ({("b", "a")}, 1)


def test_a_pod_that_cannot_be_read_is_outside_and_without_a_sidecar() -> None:
    seen = worst_pod(ODD | {"spec": {"nodeName": "good", "containers": 5}})
    assert seen.pod.node == "good"
    assert place_of(seen.pod.node, None, unreadable=seen.pod.unreadable) is Place.OUTSIDE
    assert not seen.transit
    assert seen.addresses


@given(objects())
def test_a_worst_case_is_always_found(obj: Json) -> None:
    for worst in (worst_node, worst_pod, worst_role, worst_guard, partial(worst_workload, WorkloadKind.JOB)):
        worst(obj)
    labelled = obj | {"metadata": obj["metadata"] | {"labels": LABELS}}
    assert worst_bundle(labelled).anchors == ()
    with suppress(KeyError, TypeError, AttributeError):
        see_bundle(labelled)


@given(objects())
def test_a_sovereign_workload_is_read_or_reported(obj: Json) -> None:
    seen = see_sovereign_workload(obj)
    assert seen is None or isinstance(seen, tuple | Unreadable)


@given(VALUES)
def test_what_a_status_remembers_is_read_or_counts_as_nothing(value: Any) -> None:
    status = value if isinstance(value, dict) else {"run": value, "lastWrite": value}
    see_run(status)
    see_last_write(status)


@given(VALUES)
def test_a_review_is_answered_or_malformed(value: Any) -> None:
    request = {"uid": "1", "operation": "CREATE", "kind": {"version": "v1", "kind": "Pod"}, "object": value}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    with suppress(MalformedError):
        decide_review(read(json.dumps(review).encode()), "a", SidecarSettings("image", "Always", {}, by_token=True))


def template(spec: Any) -> Json:
    return {"metadata": METADATA, "spec": {"template": {"kind": "Deployment", "spec": spec}}}


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"a": "x" * LARGEST_TEMPLATE}, "bytes"),
        ({"a": "é" * (LARGEST_TEMPLATE // 2)}, "bytes"),
        ({"a": {"b": {f"{number}": "" for number in range(MOST_ENTRIES + 1)}}}, "2001 entries"),
    ],
)
def test_a_template_is_measured(spec: Json, word: str) -> None:
    seen = see_sovereign_workload(template(spec))
    assert isinstance(seen, tuple)
    assert word in seen[1]
    assert seen[0].template
    assert seen[0].template.spec == {}


def test_a_template_is_measured_in_levels() -> None:
    deep: Json = {}
    for _ in range(150):
        deep = {"a": deep}
    seen = see_sovereign_workload(template(deep))
    assert isinstance(seen, tuple)
    assert "levels" in seen[1]
    small = see_sovereign_workload(template({"replicas": 1}))
    assert isinstance(small, tuple)
    assert small[1] == ""
