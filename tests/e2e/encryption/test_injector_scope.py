"""The API server calls the injector for pods whose policy encrypts, and for no others."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.estate import until_in_force
from tests.e2e.support.guards import MUTATING, changed_policy
from tests.e2e.support.manifests import pod
from tests.e2e.support.sidecars import dry_run, encrypted, refusal, sidecar_of
from tests.e2e.support.spaces import Held, Space
from tests.e2e.support.strict_pods import change

PLAIN: Final = "secnumcloud"
"""A policy that does not encrypt."""
BOTH_WAYS = pytest.mark.parametrize("way", ["by-namespace", "by-label"])


@pytest.fixture
def encrypting(way: str, space: Space, transit: str, roaming: Held) -> Held:
    """Return a policy that encrypts, and a namespace in which pods come into its scope in this way."""
    return roaming if way == "by-label" else Held(transit, space(transit))


def made_for(way: str, policy: str, **labels: str) -> Json:
    """Return a pod that comes into scope of a policy in this way."""
    return pod("app", labels={**labels, **({names.POLICY_LABEL: policy} if way == "by-label" else {})})


def asked(admin: Kubectl, way: str) -> int:
    """Return how often the API server has called one of the injector's two webhooks."""
    metric = "apiserver_admission_webhook_admission_duration_seconds_count"
    shown = admin.run("get", "--raw", "/metrics")
    found = re.findall(rf'^{metric}{{[^}}]*name="{way}.injector.sovereignty.dev"[^}}]*}} (\d+)$', shown, re.MULTILINE)
    return sum(map(int, found))


@BOTH_WAYS
def test_the_injector_is_asked_where_the_policy_encrypts_and_nowhere_else(
    admin: Kubectl, space: Space, encrypting: Held, way: str
) -> None:
    """A pod cannot forge the placement label: admission replaces the value that the pod brings."""
    before = asked(admin, way)
    plain = made_for(way, PLAIN, **{names.PLACED_LABEL: encrypting.policy})
    where = space(None if way == "by-label" else PLAIN)
    for _ in range(3):
        assert sidecar_of(dry_run(admin, plain, where)) is None
    assert asked(admin, way) == before
    made = made_for(way, encrypting.policy, **{names.PLACED_LABEL: PLAIN})
    assert sidecar_of(dry_run(admin, made, encrypting.namespace))
    assert asked(admin, way) > before


@contextmanager
def changed_afterwards(admin: Kubectl, way: str, namespace: str, operation: str) -> Iterator[None]:
    """Change the label that names a pod's policy, after the operator's mutation and before the webhooks.

    The operator's own mutating policy makes the change here, because the API server runs several policies in no fixed
    order.
    """
    name = f"sovereignty-place-pods-{way}"
    path = "path: '/metadata/labels/' + jsonpatch.escapeKey('sovereignty.dev/placed-for')"
    expression = f"request.namespace == '{namespace}' ? [JSONPatch{{op: {operation}, {path}}}] : []"
    ours = admin.get(MUTATING, name)["spec"]["mutations"]
    more = {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}
    with changed_policy(admin, MUTATING, name, mutations=[*ours, more]):
        yield


@BOTH_WAYS
def test_if_the_label_is_gone_the_injector_is_asked(admin: Kubectl, encrypting: Held, way: str) -> None:
    made, where = made_for(way, encrypting.policy), encrypting.namespace
    with changed_afterwards(admin, way, where, "'remove'"):
        gone = eventually(
            lambda: (
                names.PLACED_LABEL not in (seen := dry_run(admin, made, where))["metadata"].get("labels", {}) and seen
            ),
            what="a pod without the label",
        )
        assert sidecar_of(gone)


@BOTH_WAYS
def test_if_the_label_names_a_policy_that_does_not_encrypt_the_pod_is_refused(
    admin: Kubectl, encrypting: Held, way: str
) -> None:
    made, where = made_for(way, encrypting.policy), encrypting.namespace
    with changed_afterwards(admin, way, where, f"'add', value: '{PLAIN}'"):
        said = eventually(lambda: refusal(admin, made, where), what="refusal")
    label = f"{names.PLACED_LABEL}={PLAIN}"
    by = {f"ValidatingAdmissionPolicy 'sovereignty-guard-pods-{way}'": f"wrote the label {label}"}
    # Here the pod itself names its policy, so two guards refuse it, and the API server quotes either.
    if way == "by-label":
        by["ValidatingAdmissionPolicy 'sovereignty-guard-sidecars-by-label'"] = (
            "the first of its initContainers is not sovereignty-sidecar"
        )
    assert any(guard in said and says in said for guard, says in by.items())


def test_once_a_policy_says_that_it_encrypts_every_new_pod_gets_a_sidecar(admin: Kubectl, space: Space) -> None:
    policy, made = "hospital-scope", pod("app")
    admin.create(estate.policy(admin, policy))
    try:
        until_in_force(admin, policy)
        where = space(policy)
        assert sidecar_of(dry_run(admin, made, where)) is None
        change(admin, policy, mode="Permissive")
        eventually(lambda: encrypted(admin, policy)["reason"] == "PlaintextAccepted", what="Permissive")
        assert sidecar_of(dry_run(admin, made, where))
        change(admin, policy, mode="Off")
        eventually(lambda: encrypted(admin, policy)["reason"] == "NotEncrypted", what="Off")
        eventually(lambda: sidecar_of(dry_run(admin, made, where)) is None, seconds=5, what="a pod without a sidecar")
    finally:
        admin.delete("sovereigntypolicy", policy)


def test_the_injector_is_not_asked_about_a_mirror_pod(
    admin: Kubectl, cluster: Cluster, space: Space, transit: str
) -> None:
    """A kubelet runs its static pod in any case, and deletes a mirror pod that differs from its file."""
    node = "brest-1"
    uid = admin.get("node", node)["metadata"]["uid"]
    made = pod("app", nodeName=node)
    made["metadata"] |= {
        "annotations": {"kubernetes.io/config.mirror": "x"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid, "controller": True}],
    }
    kubelet = Kubectl(cluster.node_kubeconfig(node))
    before = asked(admin, "by-namespace")
    assert sidecar_of(dry_run(kubelet, made, space(transit))) is None
    assert asked(admin, "by-namespace") == before
