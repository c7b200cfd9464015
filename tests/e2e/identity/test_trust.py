"""Any pod may ask for placement; only users with the right to use a policy can give its certificates to a namespace."""

import json
from collections.abc import Iterator, Mapping

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.report.conditions import condition_of
from tests.e2e.support.estate import until_in_force
from tests.e2e.support.guards import VALIDATING, changed_policy, without_bindings
from tests.e2e.support.manifests import IMAGE, pod
from tests.e2e.support.observed import events, told
from tests.e2e.support.peers import config, peer_pod
from tests.e2e.support.spaces import Space

POLICY = "granting"
GUARD = "sovereignty-guard-certificates-by-label"
TEAM = {"team": "cardiology"}
BY_LABEL = {"sovereignty.dev/policy": POLICY}


@pytest.fixture(scope="module")
def granting(admin: Kubectl) -> Iterator[str]:
    """A policy whose certificateNamespaces the tests change."""
    admin.apply(estate.policy(admin, POLICY))
    until_in_force(admin, POLICY)
    yield POLICY
    admin.delete("sovereigntypolicy", POLICY)


def grant(admin: Kubectl, **to: object) -> None:
    """Set the policy's certificateNamespaces; without arguments only enforcing namespaces get certificates."""
    change = json.dumps({"spec": {"certificateNamespaces": to or None}})
    admin.run("patch", "sovereigntypolicy", POLICY, "--type=merge", "-p", change)


def granted(admin: Kubectl) -> Mapping[str, str]:
    """Return the policy's condition CertificatesGranted."""
    return condition_of(admin.get("sovereigntypolicy", POLICY)["status"], "CertificatesGranted")


def stranger(name: str = "stranger") -> Json:
    """Return a pod that names its policy itself, and mounts a certificate."""
    made = peer_pod(name, "brest-1", policy=POLICY, image=IMAGE)
    made["metadata"]["labels"] |= BY_LABEL
    return made


def refusal(person: Kubectl, namespace: str, made: Json) -> str:
    """Return why a pod is refused; empty if it is not."""
    attempt = ("-n", namespace, "create", "--dry-run=server", "-f", "-")
    return person.attempt(*attempt, stdin=json.dumps(made)).stderr.strip()


def test_a_label_on_a_pod_gets_no_certificate(admin: Kubectl, space: Space, granting: str) -> None:
    grant(admin)
    namespace = space(None)
    said = refusal(admin, namespace, stranger())
    assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
    assert f"policy {granting}, which gives none to namespace {namespace}; label it" in said
    # Placement needs no grant.
    assert not refusal(admin, namespace, pod("placed", labels=BY_LABEL))


def test_who_gets_past_the_guard_waits_without_a_certificate(admin: Kubectl, space: Space, granting: str) -> None:
    grant(admin)
    namespace = space(None)
    with without_bindings(admin, GUARD):
        eventually(lambda: admin.apply(config(), stranger(), namespace=namespace), seconds=20, what="a pod")
    said = eventually(lambda: events(admin, namespace, "stranger")["NamespaceNotTrusted"], what="an Event")
    assert f"policy {granting} gives no certificates to namespace {namespace}" in said


@pytest.mark.parametrize("way", ["names", "selector"])
def test_a_namespace_that_is_granted_them_gets_them(admin: Kubectl, space: Space, granting: str, way: str) -> None:
    namespace = space(None)
    grant(admin, **({"names": [namespace]} if way == "names" else {"selector": {"matchLabels": TEAM}}))
    admin.run("label", "namespace", namespace, "team=cardiology")
    eventually(lambda: not refusal(admin, namespace, stranger()), what="leave to ask")
    admin.apply(config(), stranger(), namespace=namespace)
    admin.run("-n", namespace, "wait", "pod/stranger", "--for=condition=Ready", "--timeout=90s")
    # certificateNamespaces replaces the grant by the namespace's label.
    enforcing = space(granting)
    said = refusal(admin, enforcing, stranger())
    assert f"which gives none to namespace {enforcing}; a security officer names it" in said
    # The policy names running pods in namespaces that have lost their grant, as after an upgrade.
    eventually(lambda: granted(admin)["reason"] == "AllGranted", what="no others")
    if way == "selector":
        admin.run("label", "namespace", namespace, "team-")
    else:
        grant(admin)
    stray = eventually(lambda: (seen := granted(admin))["status"] == "False" and seen, what="the pods, by name")
    assert (
        f"1 pod(s) mount its certificates in namespaces to which it gives none: {namespace}/stranger;"
        in stray["message"]
    )
    eventually(lambda: "gives none" in refusal(admin, namespace, stranger("late")), what="no leave any more")
    admin.delete("pod", "stranger", namespace=namespace)
    eventually(lambda: granted(admin)["status"] == "True", what="none left")


@pytest.fixture
def steward(admin: Kubectl, cluster: Cluster) -> Iterator[Kubectl]:
    """A user who manages namespaces, and may not use a policy."""
    admin.run(
        "create", "clusterrole", "steward", "--verb=*", "--resource=namespaces,namespaces/status,namespaces/finalize"
    )
    admin.run("create", "clusterrolebinding", "steward", "--clusterrole=steward", "--user=steward")
    yield Kubectl(cluster.user_kubeconfig("steward"))
    admin.delete("clusterrolebinding,clusterrole", "steward", "use-granting")


LABELS = {"enforce": f"sovereignty.dev/enforce={POLICY}", "a label that a selector reads": "team=cardiology"}


UNKNOWN = {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "Unknown"}


@pytest.mark.usefixtures("granting")
def test_a_guard_that_does_not_see_the_policies_lets_nobody_label(
    admin: Kubectl, steward: Kubectl, space: Space
) -> None:
    """This happens while an API server starts. A label that was set then would stay."""
    grant(admin, selector={"matchLabels": TEAM})
    namespace, ending = space(None), space(None)
    label = ("label", "namespace", namespace, "team=cardiology", "--dry-run=server")
    with changed_policy(admin, VALIDATING, "sovereignty-guard-grants", paramKind=UNKNOWN):
        eventually(lambda: "failed to configure policy" in steward.refusal(*label), seconds=20, what="a refusal")
        admin.refusal("create", "namespace", f"{namespace}-too", "--dry-run=server")
        # Deleting a namespace is not affected by the guard.
        admin.run("delete", "namespace", ending, "--timeout=60s")
    eventually(lambda: "not yours to use" in steward.refusal(*label), what="policies that are seen")


@pytest.mark.usefixtures("granting")
@pytest.mark.parametrize("label", LABELS.values(), ids=LABELS.keys())
def test_who_puts_a_namespace_under_a_policy_may_use_it(
    admin: Kubectl, steward: Kubectl, space: Space, label: str
) -> None:
    grant(admin, selector={"matchLabels": TEAM})
    namespace = space(None)
    key, _, value = label.partition("=")
    labelled = admin.get("namespace", namespace)
    labelled["metadata"]["labels"][key] = value
    whole = json.dumps(labelled)
    path = f"/api/v1/namespaces/{namespace}"
    way = ("label", "namespace", namespace, label, "--dry-run=server")
    said = eventually(lambda: steward.refusal(*way), seconds=20, what="a refusal")
    assert "not yours to use: steward may not" in said
    assert f"resourceNames: [{POLICY}], verbs: [use]" in said
    # Labels cannot be changed through these subresources, so the guard need not check the deletion of a namespace.
    for part in ("status", "finalize"):
        said = admin.refusal("replace", "--raw", f"{path}/{part}?dryRun=All", "-f", "-", stdin=whole)
        assert f"not here: the labels of namespace {namespace} are not changed through its {part}" in said
    # The user may change everything else of a namespace.
    steward.run("label", "namespace", namespace, "example.org/x=y", "--dry-run=server")
    steward.run("create", "namespace", f"{namespace}-free", "--dry-run=server")

    rule = {"apiGroups": ["sovereignty.dev"], "resources": ["sovereigntypolicies"], "resourceNames": [POLICY]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "use-granting"}}
    admin.create({**role, "rules": [{**rule, "verbs": ["use"]}]})
    admin.run("create", "clusterrolebinding", "use-granting", "--clusterrole=use-granting", "--user=steward")
    eventually(lambda: steward.run(*way), seconds=20, what="leave to do it")


def test_who_makes_a_namespace_that_is_named_may_use_the_policy(
    admin: Kubectl, steward: Kubectl, granting: str
) -> None:
    """A user who may delete and create namespaces could otherwise take over a trusted one."""
    grant(admin, names=["granting-ward"])
    create = ("create", "namespace", "granting-ward", "--dry-run=server")
    said = eventually(lambda: steward.refusal(*create), seconds=20, what="a refusal")
    assert f"may not create namespace granting-ward, to whose pods policy {granting} gives its certificates" in said
    admin.run(*create)


def test_a_policy_says_which_namespaces_it_trusts(admin: Kubectl, space: Space, granting: str) -> None:
    """A user may have set the label or taken the name before the policy existed."""
    grant(admin)
    grant(admin, names=[])

    def said(*namespaces: str) -> bool:
        status = admin.get("sovereigntypolicy", granting)["status"]
        return (status["grantedNamespaces"], status["namespacesGranted"]) == (sorted(namespaces), len(namespaces))

    early, late = space(None), space(None)
    admin.run("label", "namespace", early, "team=pharmacy")
    eventually(said, what="none")
    grant(admin, names=[late, "granting-nowhere"], selector={"matchLabels": {"team": "pharmacy"}})
    eventually(lambda: said(early, late), what="both, but none that is not there")
    assert early in admin.run("describe", "sovereigntypolicy", granting)
    # In one Event or in two: the label of one and the policy reach the controller by two watches.
    eventually(lambda: all(told(admin, "default", name) for name in (early, late)), what="Events of the policy")


def test_who_takes_a_namespace_out_of_scope_is_seen(admin: Kubectl, space: Space, granting: str) -> None:
    namespace = space(granting)
    said = admin.attempt("label", "namespace", namespace, "sovereignty.dev/enforce-")
    assert said.returncode == 0
    assert f"namespace {namespace} leaves policy {granting}" in said.stderr
    eventually(lambda: told(admin, "default", f"{namespace} has left the policy"), what="an Event of the policy")
