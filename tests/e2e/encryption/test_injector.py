"""The injector on a real API server: which pods get a sidecar, and which are refused or stay as they are."""

import pytest
import yaml

from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.sidecar.contract import VOLUMES
from tests.e2e.support.drift import drift
from tests.e2e.support.manifests import pod, pod_spec, workload
from tests.e2e.support.observed import placed_for
from tests.e2e.support.sidecars import dry_run, refusal, sidecar_of
from tests.e2e.support.spaces import Held, Space

CONTAINERS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
HTTP = {"httpGet": {"port": 8080, "path": "/up"}}
RESTRICTED: Json = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_kind_of_workload_gets_sidecars_and_shows_no_drift(admin: Kubectl, encrypting: str, kind: str) -> None:
    made = workload(
        kind, "app", 1, initContainers=[pod_spec()["containers"][0] | {"name": "first", "command": ["true"]}]
    )
    template = made["spec"]["template"]["spec"]
    template["containers"][0]["readinessProbe"] = HTTP
    admin.apply(made, namespace=encrypting)
    selector = "" if kind == "Job" else "app=app"
    (found, *_) = eventually(lambda: admin.list("pods", encrypting, selector), what="a pod")
    sidecar = sidecar_of(found)
    assert sidecar is not None
    assert sidecar["args"] == ["--probe=http://:8080/up"]
    # The service account plugin mounted its token in the application, and found another mount there in the sidecar.
    assert {mount["name"] for mount in sidecar["volumeMounts"]} == set(VOLUMES)
    assert len(found["spec"]["containers"][0]["volumeMounts"]) == 1
    assert [each["name"] for each in found["spec"]["initContainers"]] == ["sovereignty-sidecar", "first"]
    assert found["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"] == 15100
    assert placed_for(found)
    generation = admin.get(kind, "app", encrypting)["metadata"]["generation"]
    admin.apply(made, namespace=encrypting)
    assert not drift(admin, encrypting, yaml.safe_dump(made))
    assert admin.get(kind, "app", encrypting)["metadata"]["generation"] == generation


def test_a_pod_that_was_applied_can_be_applied_again(admin: Kubectl, encrypting: str) -> None:
    """A pod with network probes cannot be applied again: the probes of an existing pod are immutable."""
    made = pod("app", volumes=[{"name": "data", "emptyDir": {}}])
    made["spec"]["containers"][0]["livenessProbe"] = {"exec": {"command": ["true"]}}
    admin.apply(made, namespace=encrypting)
    before = admin.get("pod", "app", encrypting)["spec"]
    admin.apply(made, namespace=encrypting)
    assert not drift(admin, encrypting, yaml.safe_dump(made))
    after = admin.get("pod", "app", encrypting)["spec"]
    assert {**after, "nodeName": ""} == {**before, "nodeName": ""}


def test_a_pod_that_comes_with_its_namespace_gets_a_sidecar(admin: Kubectl, space: Space, transit: str) -> None:
    """The injector receives the namespace a moment after the API server has it."""
    for attempt in range(5):
        namespace = space(None)
        admin.run("label", "namespace", namespace, f"sovereignty.dev/enforce={transit}")
        assert sidecar_of(dry_run(admin, pod(f"app-{attempt}"), namespace))


def test_a_pod_that_names_its_policy_gets_its_sidecar(admin: Kubectl, space: Space, roaming: Held) -> None:
    labelled = pod("app", labels={"sovereignty.dev/policy": roaming.policy})
    assert sidecar_of(dry_run(admin, labelled, roaming.namespace))
    plain = pod("app", labels={"sovereignty.dev/policy": "secnumcloud"})
    assert sidecar_of(dry_run(admin, plain, space(None))) is None


@pytest.mark.parametrize("policy", [None, "secnumcloud"])
def test_who_needs_no_sidecar_stays_untouched(admin: Kubectl, space: Space, policy: str | None) -> None:
    namespace = space(policy)
    before = pod("app", hostNetwork=True, volumes=[{"name": "data", "emptyDir": {}}])
    before["spec"]["containers"][0]["livenessProbe"] = HTTP
    after = dry_run(admin, before, namespace)["spec"]
    assert "initContainers" not in after
    assert [volume["name"] for volume in after["volumes"] if "kube-api" not in volume["name"]] == ["data"]
    assert after["containers"][0]["livenessProbe"]["httpGet"]["port"] == 8080


IMPOSSIBLE: dict[str, tuple[Json, str]] = {
    "the node's network": (pod("app", hostNetwork=True), "spec.hostNetwork is true"),
    "no such port": (
        pod("app", containers=[pod_spec()["containers"][0] | {"livenessProbe": {"httpGet": {"port": "web"}}}]),
        "livenessProbe of container idle names port 'web'",
    ),
    "more than any quantity": (
        pod("app", resources={"limits": {"cpu": "1e40"}}),
        "spec.resources.limits.cpu is more than any quantity",
    ),
}


@pytest.mark.parametrize(("made", "says"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_who_cannot_have_one_is_told_what_to_change(admin: Kubectl, encrypting: str, made: Json, says: str) -> None:
    said = refusal(admin, made, encrypting)
    assert 'admission webhook "by-namespace.injector.sovereignty.dev" denied the request' in said
    assert says in said


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_pod_security_takes_pods_with_sidecars(admin: Kubectl, encrypting: str, level: str) -> None:
    admin.run("label", "namespace", encrypting, f"pod-security.kubernetes.io/enforce={level}")
    made = pod("app", **RESTRICTED)
    made["spec"]["containers"][0] |= {
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "livenessProbe": HTTP,
    }
    assert sidecar_of(dry_run(admin, made, encrypting))


@pytest.mark.parametrize(
    "limits",
    [
        {"type": "Container", "default": {"cpu": "100m", "memory": "64Mi"}, "max": {"cpu": "1", "memory": "1Gi"}},
        {"type": "Container", "defaultRequest": {"cpu": "10m"}, "min": {"cpu": "5m"}},
    ],
)
def test_a_limit_range_has_its_say(admin: Kubectl, encrypting: str, limits: Json) -> None:
    """The LimitRange sets defaults before webhooks run, and checks limits after them."""
    spec = {"limits": [limits]}
    admin.create({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "all"}, "spec": spec}, encrypting)
    sidecar = eventually(
        lambda: sidecar_of(dry_run(admin, pod("app"), encrypting)), seconds=20, what="a pod within the limits"
    )
    assert sidecar["resources"]["limits"]["memory"] == "512Mi"
