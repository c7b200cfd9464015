"""What users change of a pod with a sidecar that exists already: containers for debugging, images, programs."""

import json

import pytest

from hack.kubectl import Json, Kubectl
from sovereign_operator.core.sidecar.contract import UID
from tests.e2e.support.manifests import IMAGE
from tests.e2e.support.sidecars import Exposed

LATE: dict[str, tuple[Json, str]] = {
    "before the sidecar runs": ({}, "sovereignty-sidecar has not started yet"),
    "as the sidecar's user": (
        {"securityContext": {"runAsUser": UID}},
        "container late runs as the user of the sidecar",
    ),
    "privileged": ({"securityContext": {"privileged": True}}, "container late is privileged"),
    "that may change the network": (
        {"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}},
        "container late adds NET_ADMIN",
    ),
    "with the key": (
        {"volumeMounts": [{"name": "sovereignty-identity", "mountPath": "/x"}]},
        "container late mounts a volume of the sidecar",
    ),
    "that sees the sidecar's processes": (
        {"targetContainerName": "sovereignty-sidecar"},
        "targetContainerName is sovereignty-sidecar",
    ),
}


@pytest.mark.parametrize("way", ["by-namespace", "by-label"])
def test_what_comes_later_may_not_go_past_the_sidecar(mallory: Kubectl, exposed: Exposed, way: str) -> None:
    """No node fits the pod, so the sidecar never starts."""
    made, namespace = (
        (exposed.injected, exposed.namespace) if way == "by-namespace" else (exposed.by_label, exposed.elsewhere)
    )
    nowhere = {"nodeSelector": made["spec"]["nodeSelector"] | {"kubernetes.io/hostname": "nowhere"}}
    mallory.create(made | {"spec": made["spec"] | nowhere}, namespace)
    where = ("-n", namespace, "patch", "pod", "app", "--type=strategic")
    for fields, says in LATE.values():
        patch = {"spec": {"ephemeralContainers": [{"name": "late", "image": IMAGE, **fields}]}}
        said = mallory.refusal(*where, "--subresource=ephemeralcontainers", "-p", json.dumps(patch))
        assert f"ValidatingAdmissionPolicy 'sovereignty-guard-sidecars-{way}'" in said
        assert says in said
    image = {"spec": {"initContainers": [{"name": "sovereignty-sidecar", "image": "evil"}]}}
    said = mallory.refusal(*where, "-p", json.dumps(image))
    assert "another image of sovereignty-sidecar" in said
    said = mallory.refusal("-n", namespace, "exec", "app", "-c", "sovereignty-sidecar", "--", "cat", "/etc/passwd")
    assert "nobody may start a program in sovereignty-sidecar" in said
    assert "sovereignty-sidecar" not in mallory.refusal("-n", namespace, "exec", "app", "-c", "idle", "--", "true")
    # The owner may still change everything else of the pod.
    mallory.run("-n", namespace, "label", "pod", "app", "example.org/a=b")
    mallory.run(*where, "-p", json.dumps({"spec": {"containers": [{"name": "idle", "image": f"{IMAGE}x"}]}}))
    mallory.run("-n", namespace, "delete", "pod", "app", "--wait=false")
