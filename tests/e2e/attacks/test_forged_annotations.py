"""Only the operator may write pod annotations under its own prefixes; all others are refused, on every endpoint."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

from hack.cluster import Cluster
from hack.demo.attacks import binding
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import audit, run_one
from tests.e2e.support.spaces import Chief, Space

GUARD = "sovereignty-guard-every-pod"
VERDICT, AUDITOR, POLICY = (f"audit.sovereignty.dev/{word}" for word in ("verdict", "auditor", "policy"))
FORGED = {VERDICT: "accepted, by me"}
DRY = ("--dry-run=server", "-o", "json")
PATCH = ("patch", "pod", "one", "--type=merge")
APPLY = ("apply", "--server-side", "--force-conflicts", "--validate=false")
STATUS = "--subresource=status"

Way = tuple[tuple[str, ...], Callable[[Json], Json]]
"""The arguments of kubectl, and a function from the current pod to the request body."""


def annotated(annotations: dict[str, Any]) -> Json:
    """Return a patch of a pod's annotations, or the part of a pod that has them."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "annotations": annotations}}


def rewritten(live: Json) -> Json:
    """Return the whole pod with a forged verdict."""
    return live | {"metadata": live["metadata"] | {"annotations": live["metadata"]["annotations"] | FORGED}}


WAYS: dict[str, Way] = {
    "change one": (PATCH, lambda _: annotated(FORGED)),
    "change one through the status": ((*PATCH, STATUS), lambda _: annotated(FORGED)),
    "add one": (PATCH, lambda _: annotated({AUDITOR: "me"})),
    "add a verdict such as nodes have": (PATCH, lambda _: annotated({"verdict.sovereignty.dev/hds": "accepted"})),
    "remove one": (PATCH, lambda _: annotated({VERDICT: None})),
    "remove all through the status": ((*PATCH, STATUS), lambda _: {"metadata": {"annotations": None}}),
    "apply one": (APPLY, lambda _: annotated(FORGED)),
    "apply one through the status": ((*APPLY, STATUS), lambda _: annotated(FORGED)),
    "apply none in the operator's name": ((*APPLY, "--field-manager=sovereign-operator"), lambda _: annotated({})),
    "replace the pod": (("replace",), rewritten),
    "replace its status": (("replace", STATUS), rewritten),
}


def attempt(person: Kubectl, namespace: str, way: Way) -> CompletedProcess[str]:
    """Try a way as a dry run. The output is the resulting pod."""
    words, body = way
    sent = json.dumps(body(person.get("pod", "one", namespace)))
    given = "--patch-file=/dev/stdin" if words[0] == "patch" else "--filename=-"
    return person.attempt("-n", namespace, *words, given, *DRY, stdin=sent)


def refusal(attempt: Callable[[], CompletedProcess[str]]) -> str:
    """Return the guard's refusal. An earlier test may have removed the guard; it takes effect again after a moment."""
    said = eventually(lambda: GUARD in (seen := attempt()).stderr and seen, seconds=20, what="the guard")
    assert said.returncode
    assert "\n" not in said.stderr.strip()
    return said.stderr


def said_of(pod: Json) -> dict[str, str]:
    """Return a pod's annotations under the operator's prefixes."""
    annotations = pod["metadata"].get("annotations", {})
    return {key: value for key, value in annotations.items() if key.partition("/")[0].endswith(".sovereignty.dev")}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_namespace_admin_changes_nothing_of_it(admin: Kubectl, chief: Chief, way: Way) -> None:
    person, namespace = chief()
    before = said_of(run_one(admin, namespace))
    said = refusal(lambda: attempt(person, namespace, way))
    assert "chief may not write" in said
    assert f"of pod {namespace}/one" in said
    assert "leave it as it is" in said

    with without_bindings(admin, GUARD):
        done = eventually(
            lambda: not (seen := attempt(person, namespace, way)).returncode and seen, what="success without the guard"
        )
    assert said_of(json.loads(done.stdout)) != before


@pytest.mark.parametrize("words", [(), (STATUS,)], ids=["pods", "pods/status"])
@pytest.mark.parametrize(
    ("policy", "labels"),
    [(None, {}), (None, {"sovereignty.dev/policy": "secnumcloud"})],
    ids=["not in scope", "in scope by its label"],
)
def test_nor_of_a_pod_that_is_in_scope_otherwise_or_may_come_to_be(
    admin: Kubectl, chief: Chief, policy: str | None, labels: dict[str, str], words: tuple[str, ...]
) -> None:
    person, namespace = chief(policy)
    admin.create(pod("one", labels=labels, schedulerName="nobody"), namespace)
    way: Way = ((*PATCH, *words), lambda _: annotated(FORGED))
    refusal(lambda: attempt(person, namespace, way))
    with without_bindings(admin, GUARD):
        eventually(lambda: not attempt(person, namespace, way).returncode, what="success without the guard")


def tell(cluster: Cluster, live: Json, change: Callable[[Json], Json], query: str = "") -> CompletedProcess[str]:
    """Write a pod's status as its kubelet. kubectl's other commands need more rights than a kubelet has."""
    kubelet = Kubectl(cluster.node_kubeconfig(live["spec"]["nodeName"]))
    where = f"/api/v1/namespaces/{live['metadata']['namespace']}/pods/one/status{query}"
    return kubelet.attempt("replace", "--raw", where, "-f", "-", stdin=json.dumps(change(live)))


def test_nor_does_a_kubelet(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    """A kubelet may write the status of its pods, and NodeRestriction protects only their labels."""
    namespace = space()
    run_one(admin, namespace)

    def forge() -> CompletedProcess[str]:
        return tell(cluster, admin.get("pod", "one", namespace), rewritten, "?dryRun=All")

    said = refusal(forge)
    assert "system:node:" in said
    assert f"may not write {VERDICT} of pod {namespace}/one" in said
    with without_bindings(admin, GUARD):
        done = eventually(lambda: not (seen := forge()).returncode and seen, what="success without the guard")
    assert said_of(json.loads(done.stdout))[VERDICT] == FORGED[VERDICT]


@pytest.mark.parametrize("path", ["pods/one/binding", "bindings"])
@pytest.mark.parametrize("policy", [None, "secnumcloud"])
def test_nor_does_a_binding_carry_it_to_a_pod(admin: Kubectl, chief: Chief, policy: str | None, path: str) -> None:
    person, namespace = chief(policy)
    admin.create(pod("one", schedulerName="nobody"), namespace)
    forged = binding("one", "brest-1")
    forged["metadata"]["annotations"] = {AUDITOR: "me"}
    where = f"/api/v1/namespaces/{namespace}/{path}"

    def bind(query: str = "?dryRun=All") -> CompletedProcess[str]:
        return person.attempt("create", "--raw", f"{where}{query}", "-f", "-", stdin=json.dumps(forged))

    assert f"may not write {AUDITOR} of pod {namespace}/one" in refusal(bind)
    with without_bindings(admin, GUARD):
        eventually(lambda: not bind().returncode, what="success without the guard")
        assert not bind("").returncode
    if policy is None:
        assert audit(admin.get("pod", "one", namespace)) == {"auditor": "me"}


@pytest.mark.parametrize("annotations", [FORGED, {POLICY: "secnumcloud"}], ids=["a verdict", "a policy"])
def test_nor_does_a_new_pod_that_is_not_in_scope_bring_it_along(
    admin: Kubectl, chief: Chief, annotations: dict[str, str]
) -> None:
    person, namespace = chief(None)
    made = json.dumps(pod("one") | annotated(annotations))
    create = ("-n", namespace, "create", "--dry-run=server", "-f", "-")
    assert "leave it out" in refusal(lambda: person.attempt(*create, stdin=made))
    with without_bindings(admin, GUARD):
        eventually(lambda: person.run(*create, stdin=made), what="success without the guard")


@pytest.mark.parametrize("policy", [None, "secnumcloud"], ids=["by its label", "by its namespace"])
def test_what_a_new_pod_in_scope_brings_along_is_taken_off(chief: Chief, policy: str | None) -> None:
    """A pod that was read with these annotations can therefore be created again, for example from a backup."""
    person, namespace = chief(policy)
    made = pod("one")
    made["metadata"]["labels"] = {} if policy else {"sovereignty.dev/policy": "secnumcloud"}
    made["metadata"]["annotations"] = {
        **FORGED,
        POLICY: "hds",
        "verdict.sovereignty.dev/hds": "accepted",
        "example.org/x": "y",
    }
    done = person.run("-n", namespace, "create", *DRY, "-f", "-", stdin=json.dumps(made))
    assert json.loads(done)["metadata"]["annotations"] == {POLICY: "secnumcloud", "example.org/x": "y"}


@pytest.mark.parametrize("policy", [None, "secnumcloud"], ids=["not in scope", "in scope"])
def test_nor_does_a_mirror_pod(admin: Kubectl, cluster: Cluster, space: Space, policy: str | None) -> None:
    """A kubelet runs its static pod in any case. The mirror pod is admitted, unless it has annotations that only the
    operator may write.
    """
    namespace = space(policy)
    node = admin.get("node", "brest-1")
    mirror = pod("one", nodeName="brest-1") | annotated({"kubernetes.io/config.mirror": "x"})
    owner = {"apiVersion": "v1", "kind": "Node", "name": "brest-1", "uid": node["metadata"]["uid"], "controller": True}
    mirror["metadata"]["ownerReferences"] = [owner]
    kubelet = Kubectl(cluster.node_kubeconfig("brest-1"))
    create = ("-n", namespace, "create", "-f", "-")
    assert f"may not write {VERDICT}" in refusal(
        lambda: kubelet.attempt(*create, "--dry-run=server", stdin=json.dumps(rewritten(mirror)))
    )

    def forge() -> CompletedProcess[str]:
        # The kubelet soon deletes a mirror pod for which it has no file.
        kubelet.attempt(*create, stdin=json.dumps(mirror))
        return tell(cluster, admin.get("pod", "one", namespace), rewritten, "?dryRun=All")

    assert f"may not write {VERDICT}" in refusal(forge)
    # The policy annotation with the namespace's policy, as admission writes it on all other pods, is no forgery.
    beside = mirror["metadata"]["annotations"] | FORGED | {POLICY: "secnumcloud"}
    said = json.dumps(mirror | {"metadata": mirror["metadata"] | {"name": "two", "annotations": beside}})
    # Without a policy both annotations are forged, and the message names either: a CEL map has no order.
    forged = (VERDICT,) if policy else (VERDICT, POLICY)
    refused = refusal(lambda: kubelet.attempt(*create, "--dry-run=server", stdin=said))
    assert any(f"may not write {annotation}" in refused for annotation in forged)
    done = kubelet.run(
        *create[:-2], *DRY, "-f", "-", stdin=json.dumps(mirror | {"metadata": mirror["metadata"] | {"name": "two"}})
    )
    assert json.loads(done)["metadata"]["annotations"] == mirror["metadata"]["annotations"]


OTHER_ENDPOINTS: dict[str, Json] = {
    "resize": {"containers": [{"name": "idle", "resources": {"requests": {"cpu": "2m"}}}]},
    "ephemeralcontainers": {"ephemeralContainers": [{"name": "debug", "image": "example.org/debug"}]},
}


@pytest.mark.parametrize(("endpoint", "spec"), OTHER_ENDPOINTS.items(), ids=OTHER_ENDPOINTS.keys())
def test_other_endpoints_take_no_annotations_and_do_their_work(
    admin: Kubectl, chief: Chief, endpoint: str, spec: Json
) -> None:
    person, namespace = chief()
    before = audit(run_one(admin, namespace))
    changed = json.dumps(annotated(FORGED) | {"spec": spec})
    words = ("-n", namespace, "patch", "pod", "one", f"--subresource={endpoint}", "--patch-file=/dev/stdin", *DRY)
    after = json.loads(person.run(*words, stdin=changed))
    assert audit(after) == before
    (field,) = spec
    assert after["spec"][field][0].items() >= spec[field][0].items()


def seen_by_kubelet(live: Json) -> Json:
    """Return a pod with one more condition."""
    more = {"type": "example.org/seen", "status": "True"}
    return live | {"status": live["status"] | {"conditions": [*live["status"]["conditions"], more]}}


def test_all_else_of_a_pod_can_be_changed_as_before(admin: Kubectl, cluster: Cluster, chief: Chief) -> None:
    person, namespace = chief()
    before = run_one(admin, namespace)
    on_one = ("-n", namespace, "patch", "pod", "one", "-p")
    person.run("-n", namespace, "annotate", "pod", "one", "example.org/x=y")
    person.run("-n", namespace, "annotate", "pod", "one", "example.org/x=z", "--overwrite")
    person.run("-n", namespace, "annotate", "pod", "one", "example.org/x-")
    person.run("-n", namespace, "label", "pod", "one", "example.org/x=y")
    person.run(*on_one, json.dumps(annotated({"example.org/x": "y"})), STATUS)
    person.run(*on_one, json.dumps({"spec": OTHER_ENDPOINTS["resize"]}), "--subresource=resize")
    # The kubelet reports the resize in the pod's status.
    eventually(
        lambda: (
            admin.get("pod", "one", namespace)["status"]["containerStatuses"][0]["resources"]["requests"]["cpu"] == "2m"
        ),
        what="the resize carried out",
    )
    eventually(
        lambda: not tell(cluster, admin.get("pod", "one", namespace), seen_by_kubelet).returncode, what="a status"
    )
    assert audit(admin.get("pod", "one", namespace)) == audit(before)
