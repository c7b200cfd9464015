"""Tokens for the signer: only kubelets get them, for pods of their own node, and only sidecars have them in scope."""

import base64
import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from sovereign_operator.core.sidecar import contract as sidecar
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import events
from tests.e2e.support.sidecars import refusal
from tests.e2e.support.spaces import Held, Space

pytestmark = pytest.mark.every_kubernetes

GUARD = "sovereignty-guard-tokens"
SIDECARS = "sovereignty-guard-sidecars-by-namespace"
SIDECARS_BY_LABEL = "sovereignty-guard-sidecars-by-label"
FOR_THE_SIGNER = f"--audience={names.SIGNER_AUDIENCE}"
EDITOR = "editor"
NODE = "brest-1"


@pytest.fixture(scope="module")
def elsewhere(admin: Kubectl) -> Iterator[str]:
    """Return a namespace out of scope in which a pod on NODE has a token for the signer."""
    name = f"tokens-{uuid4().hex[:6]}"
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    eventually(lambda: admin.get("serviceaccount", "default", name), what="a service account")
    admin.create(holder("holder", names.SIGNER_AUDIENCE, nodeName=NODE), name)
    admin.create(holder("other", "example.org/other", nodeName=NODE), name)
    for each in ("holder", "other"):
        admin.run("-n", name, "wait", "--for=condition=Ready", f"pod/{each}", "--timeout=60s")
    yield name
    admin.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def editor(admin: Kubectl, cluster: Cluster, elsewhere: str) -> Kubectl:
    """A user with the built-in role edit in a namespace, and no other rights."""
    admin.run("-n", elsewhere, "create", "rolebinding", EDITOR, "--clusterrole=edit", f"--user={EDITOR}")
    return Kubectl(cluster.user_kubeconfig(EDITOR))


def token_source(audience: str) -> Json:
    return {"serviceAccountToken": {"audience": audience, "expirationSeconds": 3600, "path": "token"}}


def holder(name: str, audience: str, *, labels: dict[str, str] | None = None, **spec: object) -> Json:
    """Return a pod whose container mounts a token for an audience."""
    volume = {"name": "identity", "projected": {"sources": [token_source(audience)]}}
    made = pod(name, labels=labels, volumes=[volume], **spec)
    made["spec"]["containers"][0]["volumeMounts"] = [{"name": "identity", "mountPath": "/identity"}]
    return made


def bound_to(admin: Kubectl, namespace: str, name: str) -> tuple[str, ...]:
    """Return options with which kubectl requests a token that is bound to a pod."""
    uid = admin.get("pod", name, namespace)["metadata"]["uid"]
    return ("--bound-object-kind=Pod", f"--bound-object-name={name}", f"--bound-object-uid={uid}")


def claims(token: str) -> Json:
    """Return what a token says."""
    _, payload, _ = token.strip().split(".")
    found: Json = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def test_an_editor_gets_no_token_for_the_signer(admin: Kubectl, editor: Kubectl, elsewhere: str) -> None:
    """The built-in role edit includes tokens for any pod of the namespace."""
    ask = ("-n", elsewhere, "create", "token", "default")
    for way in ((), bound_to(admin, elsewhere, "holder")):
        said = editor.refusal(*ask, FOR_THE_SIGNER, *way)
        assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
        assert f"not the kubelet: {EDITOR} may not have a token for {names.SIGNER_AUDIENCE}" in said
        assert f"service account {elsewhere}/default" in said
        assert "ask for another audience" in said


def test_nor_does_a_cluster_admin(admin: Kubectl, mallory: Kubectl, elsewhere: str) -> None:
    ask = ("-n", elsewhere, "create", "token", "default", FOR_THE_SIGNER, *bound_to(admin, elsewhere, "holder"))
    for person in (admin, mallory):
        assert GUARD in person.refusal(*ask)


def test_nor_does_who_is_only_called_like_a_kubelet(admin: Kubectl, cluster: Cluster, elsewhere: str) -> None:
    """NodeRestriction knows kubelets by their group. Who impersonates a kubelet is in that group, and held by it."""
    name = f"system:node:{NODE}"
    admin.run("create", "clusterrolebinding", "false-kubelet", "--clusterrole=cluster-admin", f"--user={name}")
    person = Kubectl(cluster.user_kubeconfig(name))
    try:
        ask = ("-n", elsewhere, "create", "token", "default", FOR_THE_SIGNER)
        bound = bound_to(admin, elsewhere, "holder")
        eventually(lambda: GUARD in person.refusal(*ask, *bound), what="a refusal by the guard")
    finally:
        admin.delete("clusterrolebinding", "false-kubelet")


@pytest.mark.parametrize("audiences", [[], ["vault"], ["vault", "https://example.org"], ["sovereignty.dev/signer2"]])
def test_other_tokens_are_nobodys_business(editor: Kubectl, elsewhere: str, audiences: list[str]) -> None:
    given = [f"--audience={audience}" for audience in audiences]
    found = claims(editor.run("-n", elsewhere, "create", "token", "default", *given))
    assert found["aud"] == audiences or not audiences


@pytest.mark.parametrize("mixed", [["vault", names.SIGNER_AUDIENCE], [names.SIGNER_AUDIENCE, "vault"]])
def test_a_token_for_the_signer_and_others_is_refused_as_well(
    editor: Kubectl, elsewhere: str, mixed: list[str]
) -> None:
    given = [f"--audience={audience}" for audience in mixed]
    assert GUARD in editor.refusal("-n", elsewhere, "create", "token", "default", *given)


def test_a_kubelet_gets_one_for_a_pod_of_its_own(admin: Kubectl, cluster: Cluster, elsewhere: str) -> None:
    kubelet = Kubectl(cluster.node_kubeconfig(NODE))
    ask = ("-n", elsewhere, "create", "token", "default", FOR_THE_SIGNER)
    found = claims(kubelet.run(*ask, *bound_to(admin, elsewhere, "holder")))
    assert found["aud"] == [names.SIGNER_AUDIENCE]
    assert found["kubernetes.io"]["node"]["name"] == NODE


def test_a_kubelet_gets_none_for_others(admin: Kubectl, cluster: Cluster, elsewhere: str) -> None:
    """NodeRestriction covers most of these cases, so the guard does not have to."""
    ask = ("-n", elsewhere, "create", "token", "default", FOR_THE_SIGNER)
    holder_of, other = bound_to(admin, elsewhere, "holder"), bound_to(admin, elsewhere, "other")
    assert "no relationship found" in Kubectl(cluster.node_kubeconfig("paris-1")).refusal(*ask, *holder_of)
    own = Kubectl(cluster.node_kubeconfig(NODE))
    assert "not bound to a pod" in own.refusal(*ask)
    assert names.SIGNER_AUDIENCE in own.refusal(*ask, *other)
    assert "audience" in own.refusal(*ask, "--audience=example.org/other", *holder_of)


def test_without_the_guard_an_editor_has_the_token_of_any_pod(admin: Kubectl, editor: Kubectl, elsewhere: str) -> None:
    ask = ("-n", elsewhere, "create", "token", "default", FOR_THE_SIGNER, *bound_to(admin, elsewhere, "holder"))
    with without_bindings(admin, GUARD):
        found = claims(eventually(lambda: editor.run(*ask), seconds=20, what="a token without the guard"))
        assert found["aud"] == [names.SIGNER_AUDIENCE]
        assert found["kubernetes.io"]["pod"]["name"] == "holder"
    eventually(lambda: GUARD in editor.refusal(*ask), what="the guard")


def test_in_scope_no_container_has_a_token_for_the_signer(
    mallory: Kubectl, space: Space, transit: str, roaming: Held
) -> None:
    """Whether the policy encrypts or not, and however the volume is called."""
    wanted = holder("thief", names.SIGNER_AUDIENCE)
    for policy in ("secnumcloud", transit):
        said = refusal(mallory, wanted, space(policy))
        assert f"ValidatingAdmissionPolicy '{SIDECARS}'" in said
        assert f"may not have a token for {names.SIGNER_AUDIENCE} in volume identity" in said
        assert "the injector gives each sidecar one of its own" in said
    said = refusal(
        mallory,
        holder("thief", names.SIGNER_AUDIENCE, labels={names.POLICY_LABEL: roaming.policy}),
        roaming.namespace,
    )
    assert f"ValidatingAdmissionPolicy '{SIDECARS_BY_LABEL}'" in said
    named = holder("thief", names.SIGNER_AUDIENCE)
    named["spec"]["volumes"][0]["name"] = sidecar.IDENTITY_VOLUME
    named["spec"]["containers"][0]["volumeMounts"][0]["name"] = sidecar.IDENTITY_VOLUME
    assert f"ValidatingAdmissionPolicy '{SIDECARS}'" in refusal(mallory, named, space("secnumcloud"))


def test_in_scope_tokens_of_others_are_nobodys_business(mallory: Kubectl, space: Space, transit: str) -> None:
    for policy in ("secnumcloud", transit):
        assert not refusal(mallory, holder("app", "example.org/other"), space(policy))


def test_a_workload_that_asks_for_such_a_token_is_told(admin: Kubectl, space: Space) -> None:
    """Its pods are refused, and the controller that creates them says so in an Event."""
    namespace = space("secnumcloud")
    labels = {"app": "thief"}
    template = {"metadata": {"labels": labels}, "spec": holder("thief", names.SIGNER_AUDIENCE)["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    admin.create(
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "thief"}, "spec": spec}, namespace
    )
    assert "not its token" in eventually(
        lambda: events(admin, namespace, "thief").get("FailedCreate"), what="an Event with the reason"
    )


def test_out_of_scope_a_pod_has_a_token_for_its_own_pod(admin: Kubectl, elsewhere: str) -> None:
    """It says truly which pod has it. The signer gives such a pod no certificate."""
    token = admin.run("-n", elsewhere, "exec", "holder", "--", "cat", "/identity/token")
    found = claims(token)
    assert found["aud"] == [names.SIGNER_AUDIENCE]
    assert found["kubernetes.io"]["pod"]["name"] == "holder"
    assert found["kubernetes.io"]["node"]["name"] == NODE
