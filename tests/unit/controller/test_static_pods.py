"""A kubelet may report static pods that it does not run: they block no step, and never count as encrypted."""

import asyncio
from typing import Any, cast

import pytest

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.controller.keys import EncryptionKey
from sovereign_operator.controller.reconcile.encryption import keep_encryption
from sovereign_operator.core.encryption.rollout import ObservedEncryption, Step
from sovereign_operator.core.encryption.status import report_encryption
from sovereign_operator.core.kubernetes.mirror_pod import MIRROR_ANNOTATION
from sovereign_operator.kube.objects.pod import see_pod
from sovereign_operator.kube.objects.worst import worst_pod
from tests.unit.controller.full_server import FullServer
from tests.unit.controller.objects import DNS, POLICY, STRICT, namespace, pod
from tests.unit.states import Json, controller, show


def mirror(address: str = "10.0.0.9", **metadata: Any) -> Json:
    """Return a mirror pod, whose status its kubelet writes."""
    annotations = {"annotations": {MIRROR_ANNOTATION: "x"}}
    return {
        "metadata": {"namespace": "tenant-a", "name": "static-paris-1", "uid": "static", **annotations, **metadata},
        "spec": {"containers": [{"name": "app"}], "nodeName": "paris-1"},
        "status": {"phase": "Running", "podIPs": [{"ip": address}]},
    }


def look(*pods: Json) -> ObservedEncryption:
    """Return what is observed of a policy that asks for Strict and has no transit config yet."""
    state = controller({"sovereigntypolicies": [POLICY | STRICT], "namespaces": [namespace("tenant-a")], "pods": pods})
    state.api = cast("Any", FullServer(ValueError()))
    assert state.view.sidecars
    show(state.view.sidecars.services.mirror, [DNS])
    asyncio.run(keep_encryption(state, EncryptionKey("hds")))
    return state.view.sidecars.seen["hds"]


@pytest.mark.parametrize("shown", [mirror(), mirror("192.0.2.1")], ids=["within", "anywhere"])
def test_a_static_pod_holds_up_no_step_and_is_named(shown: Json) -> None:
    seen = look(pod("tenant-a"), shown)
    assert seen.step == Step(EncryptionMode.STRICT, ())
    assert (seen.pods, seen.sidecars, seen.beyond) == (1, 1, ())
    assert seen.static == ("tenant-a/static-paris-1 on paris-1",)


def test_a_pod_with_a_sidecar_is_waited_for_whatever_it_says_of_itself() -> None:
    made = pod("tenant-a")
    made["metadata"]["annotations"] = {MIRROR_ANNOTATION: "x"}
    seen = look(made)
    assert (seen.pods, seen.static) == (1, ())


def test_nor_does_one_that_cannot_be_read() -> None:
    assert worst_pod(mirror()).static
    assert not worst_pod(pod("tenant-a")).static


def test_one_that_runs_nothing_yet_is_no_pod() -> None:
    assert look(mirror() | {"status": {"phase": "Running"}}).static == ()


@pytest.mark.parametrize(
    ("mode", "waits", "reason"),
    [
        ("Strict", (), "StaticPods"),
        ("Preferred", (), "PlaintextAccepted"),
        ("Preferred", ("something",), "StepPending"),
        ("Off", (), "NotEncrypted"),
    ],
)
def test_it_is_never_said_that_all_is_encrypted(mode: str, waits: tuple[str, ...], reason: str) -> None:
    static = ("tenant-a/static-paris-1 on paris-1",)
    step = Step(EncryptionMode(mode), waits)
    seen = ObservedEncryption(step, EncryptionMode(mode), pods=1, sidecars=1, loaded=1, static=static)
    (said,) = report_encryption(EncryptionInTransit(), seen).observations
    assert (said.status, said.reason) == ("False", reason)
    assert ("tenant-a/static-paris-1 on paris-1" in said.message) is (mode != "Off")
    assert "kubectl rollout restart" not in said.message


def test_a_mirror_pod_is_seen_as_one() -> None:
    assert see_pod(mirror()).static
