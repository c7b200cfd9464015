"""Quotas, LimitRanges and the class of a pod: what an API server accepts without a sidecar, it accepts with one."""

from collections.abc import Iterator
from typing import Any

import pytest

from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.manifests import pod, pod_spec
from tests.e2e.support.sidecars import dry_run, refusal, sidecar_of
from tests.e2e.support.spaces import Held, Space

SMALL = {"cpu": "100m", "memory": "64Mi"}
GUARANTEED: Json = {"requests": SMALL, "limits": SMALL}
BURSTABLE: Json = {"requests": SMALL, "limits": {"cpu": "200m", "memory": "128Mi"}}
HARD = {"limits.cpu": "4", "limits.memory": "4Gi", "requests.cpu": "2", "requests.memory": "2Gi"}
MEMORY = "sovereignty.dev/sidecar-memory-limit"
CPU = "sovereignty.dev/sidecar-cpu-limit"


def sized(resources: Json, annotations: dict[str, str] | None = None, **spec: Any) -> Json:
    """Return a pod whose container has resources."""
    made = pod("app", containers=[pod_spec()["containers"][0] | {"resources": resources}], **spec)
    made["metadata"]["annotations"] = annotations or {}
    return made


def limit(admin: Kubectl, namespace: str, *limits: Json) -> None:
    """Have a LimitRange of a namespace say this alone."""
    made = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": [*limits]}}
    admin.run("-n", namespace, "delete", "limitrange", "small", "--ignore-not-found")
    admin.create(made, namespace)


def quota(admin: Kubectl, namespace: str) -> None:
    """Have a quota of a namespace count CPU and memory, and wait until it is in force."""
    spec = {"hard": HARD}
    admin.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}, "spec": spec}, namespace)
    eventually(lambda: "must specify" in refusal(admin, pod("app"), namespace), what="the quota")


def resources_of(admin: Kubectl, made: Json, namespace: str) -> Json:
    sidecar = sidecar_of(dry_run(admin, made, namespace))
    assert sidecar
    found: Json = sidecar["resources"]
    return found


def test_a_quota_and_a_ratio_let_a_pod_in_as_without_a_sidecar(admin: Kubectl, space: Space, transit: str) -> None:
    plain, encrypting = space("secnumcloud"), space(transit)
    for namespace in (plain, encrypting):
        quota(admin, namespace)
        limit(admin, namespace, {"type": "Container", "maxLimitRequestRatio": {"memory": "2"}})
    for made, quality in ((sized(GUARANTEED), "Guaranteed"), (sized(BURSTABLE), "Burstable")):
        assert dry_run(admin, made, plain)["status"]["qosClass"] == quality
        after = eventually(lambda made=made: dry_run(admin, made, encrypting), what="the LimitRange")  # type: ignore[misc]
        assert after["status"]["qosClass"] == quality
        sidecar = sidecar_of(after)
        assert sidecar
        assert sidecar["resources"]["limits"]["cpu"] == "100m"
        assert sidecar["resources"]["limits"]["memory"] == "512Mi"
        assert sidecar["resources"]["requests"]["memory"] == ("512Mi" if quality == "Guaranteed" else "256Mi")
    # It is no matter of dry runs alone.
    admin.create(sized(GUARANTEED), encrypting)
    admin.run("-n", encrypting, "wait", "pod/app", "--for=condition=Ready", "--timeout=90s")
    assert admin.get("pod", "app", encrypting)["status"]["qosClass"] == "Guaranteed"


LIMITS: dict[str, tuple[list[Json], Json]] = {
    "a lower limit": ([{"type": "Container", "max": {"memory": "256Mi", "cpu": "1"}}], {"limits": {"memory": "256Mi"}}),
    "a higher request": ([{"type": "Container", "min": {"memory": "96Mi"}}], {"requests": {"memory": "96Mi"}}),
    "for the whole pod": ([{"type": "Pod", "max": {"memory": "512Mi"}}], {"limits": {"memory": "384Mi"}}),
    "a ratio of the whole pod": (
        [{"type": "Pod", "maxLimitRequestRatio": {"memory": "2", "cpu": "2"}}],
        {"requests": {"memory": "224Mi", "cpu": "20m"}},
    ),
}


def test_limit_ranges_let_it_in(admin: Kubectl, space: Space, transit: str) -> None:
    plain, encrypting = space("secnumcloud"), space(transit)
    for limits, expected in LIMITS.values():
        for namespace in (plain, encrypting):
            limit(admin, namespace, *limits)
        made = sized(BURSTABLE | {"requests": SMALL | {"memory": "96Mi"}})

        def let_in(made: Json = made, expected: Json = expected) -> bool:
            assert not refusal(admin, made, plain)
            found = resources_of(admin, made, encrypting)
            return {kind: {key: found[kind][key] for key in wanted} for kind, wanted in expected.items()} == expected

        eventually(let_in, seconds=20, what="a sidecar as the LimitRange demands")


def test_words_say_which_limit_range_leaves_no_room(admin: Kubectl, space: Space, transit: str) -> None:
    namespace = space(transit)
    limit(admin, namespace, {"type": "Container", "max": {"memory": "100Mi"}})
    eventually(
        lambda: "LimitRange small allows a container 100Mi of memory at most" in refusal(admin, pod("app"), namespace),
        what="a refusal with words",
    )


def test_a_namespace_and_a_pod_set_what_sidecars_get(admin: Kubectl, space: Space, transit: str, roaming: Held) -> None:
    namespace = space(transit)
    admin.run("annotate", "namespace", namespace, f"{MEMORY}=256Mi", f"{CPU}=500m")

    expected = {"cpu": "500m", "memory": "256Mi"}
    eventually(
        lambda: resources_of(admin, pod("app"), namespace)["limits"] == expected,
        what="the annotations of the namespace",
    )
    own = sized({}, {MEMORY: "1Gi"})
    assert resources_of(admin, own, namespace)["limits"] == {"cpu": "500m", "memory": "1Gi"}
    own["metadata"]["labels"] = {"sovereignty.dev/policy": roaming.policy}
    assert resources_of(admin, own, roaming.namespace)["limits"] == {"memory": "1Gi"}
    for text, says in (
        ("lots", "is not a quantity"),
        ("100Mi", "is 100Mi, and a sidecar needs 128Mi or more: raise it"),
    ):
        said = refusal(admin, sized({}, {MEMORY: text}), namespace)
        assert f"annotation {MEMORY} of the pod" in said
        assert says in said


@pytest.fixture
def runtimes(admin: Kubectl) -> Iterator[tuple[str, str]]:
    """Create RuntimeClasses, one of a sandbox and one of none, and return their names."""
    handlers = {"boxed": "runsc", "cards": "nvidia"}
    for name, handler in handlers.items():
        made = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler}
        admin.create(made)
    yield "boxed", "cards"
    admin.run("delete", "runtimeclass", *handlers)


def test_a_pod_in_a_sandbox_is_refused_with_words(
    admin: Kubectl, space: Space, transit: str, runtimes: tuple[str, str]
) -> None:
    plain, encrypting = space("secnumcloud"), space(transit)
    boxed, cards = runtimes
    for name in runtimes:
        eventually(lambda name=name: not refusal(admin, pod("app", runtimeClassName=name), plain), what=name)  # type: ignore[misc]
    eventually(
        lambda: (
            f"spec.runtimeClassName is {boxed}, whose handler runsc is a sandbox"
            in refusal(admin, pod("app", runtimeClassName=boxed), encrypting)
        ),
        what="a refusal with words",
    )
    assert sidecar_of(dry_run(admin, pod("app", runtimeClassName=cards), encrypting))


def test_a_pod_in_a_user_namespace_of_its_own_gets_a_sidecar(admin: Kubectl, space: Space, transit: str) -> None:
    assert sidecar_of(dry_run(admin, pod("app", hostUsers=False), space(transit)))
