"""Certificate requests from a user who is not the kubelet of the pod's node."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Kubectl, eventually
from sovereign_operator.core.identity.request_reasons import Delay, Denial
from tests.e2e.support.certificates import asking
from tests.e2e.support.guards import force, without_bindings
from tests.e2e.support.manifests import pod
from tests.e2e.support.peers import IMAGES, address, config, peer_pod
from tests.e2e.support.spaces import Space

GUARD = "sovereignty-guard-requests"
FORGER = "forger"


@pytest.fixture(scope="module")
def forger(admin: Kubectl, cluster: Cluster) -> Iterator[Kubectl]:
    """A user with full rights on certificate requests, on every endpoint, and no other rights."""
    cluster.load_image(public.archive_all(IMAGES))
    rights = ("--verb=*", "--resource=podcertificaterequests,podcertificaterequests/status")
    admin.run("create", "clusterrole", FORGER, *rights)
    admin.run("create", "clusterrolebinding", FORGER, f"--clusterrole={FORGER}", f"--user={FORGER}")
    yield Kubectl(cluster.user_kubeconfig(FORGER))
    admin.delete("clusterrolebinding", FORGER)
    admin.delete("clusterrole", FORGER)


@dataclass
class Victim:
    """A running pod, and the spec of a valid certificate request for it."""

    namespace: str
    asked: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def victim(admin: Kubectl, space: Space) -> Victim:
    """Return a pod in Brest that mounts a certificate."""
    namespace = space()
    admin.apply(config(), peer_pod("victim", "brest-1"), namespace=namespace)
    address(admin, namespace, "victim")
    return Victim(namespace, asking(admin, namespace, "victim"))


def request(name: str, asked: dict[str, Any]) -> str:
    """Return a PodCertificateRequest."""
    return json.dumps(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "PodCertificateRequest",
            "metadata": {"name": name},
            "spec": asked,
        }
    )


def test_only_the_kubelet_of_the_node_may_ask(admin: Kubectl, forger: Kubectl, victim: Victim) -> None:
    """This holds in every served API version; an update cannot change the spec."""
    versions = json.loads(admin.run("get", "--raw", "/apis/certificates.k8s.io"))["versions"]
    for version in versions:
        path = f"/apis/{version['groupVersion']}/namespaces/{victim.namespace}/podcertificaterequests"
        said = forger.refusal("create", "--raw", path, "-f", "-", stdin=request("forged", victim.asked))
        assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
        assert "mount a podCertificate volume, and its kubelet asks" in said
    (own,) = admin.list("podcertificaterequests", victim.namespace)
    name = own["metadata"]["name"]
    patch = json.dumps({"spec": {"stubPKCS10Request": victim.asked["stubPKCS10Request"]}})
    words = ("-n", victim.namespace, "patch", "podcertificaterequest", name, "--type=merge", "-p", patch)
    assert "field is immutable" in forger.refusal(*words)
    # A status that is set cannot be changed either.
    status = json.dumps({"status": {"conditions": []}})
    assert "immutable after PodCertificateRequest is issued" in forger.refusal(
        *words[:5], "--subresource=status", "--type=merge", "-p", status
    )


def test_a_kubelet_may_not_ask_for_the_pod_of_another_node(cluster: Cluster, victim: Victim) -> None:
    """The API server's own NodeRestriction covers this case, so the guard does not have to."""
    kubelet = Kubectl(cluster.node_kubeconfig("paris-1"))
    create = ("-n", victim.namespace, "create", "-f", "-")
    for asked in (victim.asked, victim.asked | {"nodeName": "paris-1"}):
        said = kubelet.refusal(*create, stdin=request("forged", asked))
        assert "sovereignty-guard" not in said
        assert "PodCertificateRequest" in said


Forge = Callable[[Kubectl, Victim], dict[str, Any]]


def other_pod(admin: Kubectl, victim: Victim) -> dict[str, Any]:
    """Make a request for a pod that mounts no certificate of the operator."""
    admin.create(pod("plain", nodeSelector={"kubernetes.io/hostname": "brest-1"}), victim.namespace)
    address(admin, victim.namespace, "plain")
    return asking(admin, victim.namespace, "plain")


def on_refused_node(admin: Kubectl, victim: Victim) -> dict[str, Any]:
    """Make a request for a pod that was forced onto a node that the policy refuses."""
    forced = peer_pod("forced", "paris-1", nodeName="paris-1")
    force(admin, forced, victim.namespace)
    return asking(admin, victim.namespace, "forced")


FORGED: dict[str, tuple[Forge, Denial | Delay]] = {
    "a pod that does not exist": (lambda _, victim: victim.asked | {"podName": "nobody"}, Denial.POD_GONE),
    "a pod with another uid": (lambda _, victim: victim.asked | {"podUID": str(uuid4())}, Denial.POD_GONE),
    "a pod that does not mount it": (other_pod, Denial.NOT_MOUNTED),
    "a node on which it does not run": (lambda _, victim: victim.asked | {"nodeName": "lyon-1"}, Denial.NOT_ON_NODE),
    "another service account": (
        lambda _, victim: victim.asked | {"serviceAccountName": "x"},
        Denial.NOT_ITS_SERVICE_ACCOUNT,
    ),
    "annotations of the forger's": (
        lambda _, victim: victim.asked | {"unverifiedUserAnnotations": {"example.org/a": "b"}},
        Denial.UNKNOWN_USER_ANNOTATION,
    ),
    "a service account's uid of before": (
        lambda _, victim: victim.asked | {"serviceAccountUID": str(uuid4())},
        Delay.SERVICE_ACCOUNT_REPLACED,
    ),
    "a node's uid of before": (lambda _, victim: victim.asked | {"nodeUID": str(uuid4())}, Delay.NODE_REPLACED),
    "a pod on a node that is not accepted": (on_refused_node, Delay.NODE_NOT_ACCEPTED),
}


@pytest.mark.parametrize(("forge", "reason"), FORGED.values(), ids=FORGED.keys())
def test_without_the_guard_the_signer_still_issues_nothing_for(
    admin: Kubectl, forger: Kubectl, victim: Victim, forge: Forge, reason: Denial | Delay
) -> None:
    asked = forge(admin, victim)
    create = ("-n", victim.namespace, "create", "-f", "-")
    with without_bindings(admin, GUARD):
        eventually(lambda: forger.run(*create, stdin=request("forged", asked)), seconds=20, what="the request")

    def is_answered() -> bool:
        status = admin.get("podcertificaterequest", "forged", victim.namespace).get("status", {})
        assert "certificateChain" not in status
        answers = [(found["type"], found["reason"]) for found in status.get("conditions", [])]
        if isinstance(reason, Denial):
            return answers == [("Denied", reason.value)]
        assert not answers
        return reason.value in logged_reasons(admin, victim.namespace, "forged")

    eventually(is_answered, what="the signer's answer")


def logged_reasons(admin: Kubectl, namespace: str, name: str) -> set[str]:
    """Return the reasons that the signer's log gives for a certificate request."""
    log = admin.run("-n", NAMESPACE, "logs", "-l", "app.kubernetes.io/component=signer", "--tail=-1")
    entries = [json.loads(line) for line in log.splitlines()]
    return {
        entry["reason"]
        for entry in entries
        if (entry.get("namespace"), entry.get("request")) == (namespace, name) and "reason" in entry
    }


def test_what_remains_without_the_guard_is_counted(
    admin: Kubectl, cluster: Cluster, forger: Kubectl, victim: Victim
) -> None:
    """A forged request with only true claims about its pod gets a certificate, for a key that the pod's node does not
    hold.
    """
    before = repeated(admin, cluster)
    with without_bindings(admin, GUARD):
        create = ("-n", victim.namespace, "create", "-f", "-")
        eventually(lambda: forger.run(*create, stdin=request("forged", victim.asked)), seconds=20, what="the request")
    eventually(
        lambda: "certificateChain" in admin.get("podcertificaterequest", "forged", victim.namespace).get("status", {}),
        what="a certificate",
    )
    eventually(lambda: repeated(admin, cluster) > before, what="the count")


def repeated(admin: Kubectl, cluster: Cluster) -> float:
    """Return how many repeated certificates the controllers have counted."""
    total = 0.0
    for controller in admin.list("pods", NAMESPACE, CONTROLLER_PODS):
        url = f"http://{controller['status']['podIP']}:8080/metrics"
        text = cluster.node_exec("nantes-1", ["curl", "--silent", "--fail", url]).stdout
        prefix = "sovereign_certificates_repeated_total "
        total += sum(float(line.removeprefix(prefix)) for line in text.splitlines() if line.startswith(prefix))
    return total
