"""The injector goes on answering whatever is upgraded, replaced or sent. While it is down, only encrypted pods wait."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cryptography import x509

from hack.cluster import Cluster
from hack.install import NAMESPACE, install
from hack.kubectl import Kubectl, eventually
from sovereign_operator.core import names
from sovereign_operator.pki import certificates
from tests.e2e.support.guards import WEBHOOKS, injector_places
from tests.e2e.support.installation import OPTIONS
from tests.e2e.support.manifests import pod, workload
from tests.e2e.support.observed import living_pods, told
from tests.e2e.support.processes import without
from tests.e2e.support.sidecars import refusal, sidecar_of
from tests.e2e.support.spaces import Space

PODS = "app.kubernetes.io/component=injector"


@pytest.mark.every_kubernetes
def test_when_it_is_down_pods_that_need_it_wait_and_all_others_do_not(
    admin: Kubectl, space: Space, encrypting: str
) -> None:
    """Where it also places, all pods in scope need it. Of several guards that refuse a pod, one is named."""
    placed, free = space("secnumcloud"), space(None)
    places = injector_places(admin)
    guards = r"sovereignty-guard-(pods|sidecars)-by-namespace" if places else "sovereignty-guard-sidecars-by-namespace"
    reasons = ("the injector did not answer", "try again later") if places else ("try again later",)
    with without(admin, "injector"):
        said = refusal(admin, pod("app"), encrypting)
        assert re.search(f"ValidatingAdmissionPolicy '{guards}'", said)
        assert any(reason in said for reason in reasons)
        assert not refusal(admin, pod("app"), free)
        assert ("the injector did not answer" in refusal(admin, pod("app"), placed)) is places
        if not places:
            assert not refusal(admin, pod("app"), placed)
        admin.apply(workload("Deployment", "app", 1), namespace=encrypting)
        words = ("not placed", "not encrypted") if places else ("not encrypted",)
        eventually(lambda: any(told(admin, encrypting, word) for word in words), what="the reason, beside the workload")
    # Kubernetes retries by itself.
    (found, *_) = eventually(lambda: admin.list("pods", encrypting), seconds=120, what="a pod")
    assert sidecar_of(found)


def authority(admin: Kubectl) -> x509.Certificate:
    """Return the authority that signs the injectors' serving certificates."""
    data = admin.get("secret", names.INJECTOR_CA, NAMESPACE)["data"]
    (found,) = certificates.read(base64.b64decode(data["tls.crt"]))
    return found


def trusted(admin: Kubectl) -> list[x509.Certificate]:
    """Return the authorities that both webhooks trust. The published bundle must contain the same."""
    webhooks = admin.get("mutatingwebhookconfiguration", WEBHOOKS)["webhooks"]
    (bundle,) = {webhook["clientConfig"]["caBundle"] for webhook in webhooks}
    published = admin.get("configmap", names.INJECTOR_CA, NAMESPACE)["data"][names.CA_BUNDLE]
    assert base64.b64decode(bundle).decode() == published
    return list(certificates.read(published.encode()))


def job_rights(admin: Kubectl) -> str:
    """Return the names of the webhook_ca Jobs, their account and their rights, if they exist."""
    kinds = "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,jobs"
    found = admin.run("-n", NAMESPACE, "get", kinds, "-o", "name")
    return "\n".join(line for line in found.splitlines() if "webhook-ca" in line)


def test_an_upgrade_of_the_chart_leaves_trust_and_authority_alone(admin: Kubectl, cluster: Cluster) -> None:
    before = trusted(admin), admin.get("secret", names.INJECTOR_CA, NAMESPACE)["metadata"]["resourceVersion"]
    assert before[0] == [authority(admin)]
    # Without hooks, as in a selective sync of Argo CD, nothing is lost either.
    for options in (("--set", "sidecar.image.tag=other", "--server-side=false", "--no-hooks"), ()):
        install(cluster, *OPTIONS, *options)
        version = admin.get("secret", names.INJECTOR_CA, NAMESPACE)["metadata"]["resourceVersion"]
        assert (trusted(admin), version) == before
    assert not job_rights(admin)
    admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-injector", "--timeout=90s")


@contextmanager
def steadily(admin: Kubectl, namespace: str) -> Iterator[list[str]]:
    """Try to create a pod again and again; yields the list of refusals."""
    refused: list[str] = []
    stop = threading.Event()
    asked = 0

    def ask() -> None:
        nonlocal asked
        while not stop.wait(0.1):
            asked += 1
            if said := refusal(admin, pod("app"), namespace):
                refused.append(said)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield refused
    finally:
        stop.set()
        thread.join()
    assert asked > 5


def test_another_authority_takes_the_place_of_one_and_nobody_notices(
    admin: Kubectl, cluster: Cluster, encrypting: str
) -> None:
    first = authority(admin)
    with steadily(admin, encrypting) as refused:
        admin.delete("secret", names.INJECTOR_CA, namespace=NAMESPACE)
        install(cluster, *OPTIONS)
        second = authority(admin)
        assert second != first
        assert trusted(admin) == [second, first]
        admin.run("-n", NAMESPACE, "rollout", "restart", "deployment/sovereign-injector")
        admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-injector", "--timeout=120s")
        assert served_by(admin, cluster) == {second.subject.rfc4514_string()}
    assert not refused


def served_by(admin: Kubectl, cluster: Cluster) -> set[str]:
    """Return the issuers of all replicas' serving certificates."""
    found = set()
    for replica in living_pods(admin, NAMESPACE, PODS):
        address = (replica["status"]["podIP"], 8443)
        fetch = f"import ssl; print(ssl.get_server_certificate({address!r}))"
        pem = cluster.node_exec("nantes-1", ["python3", "-c", fetch]).stdout
        found |= {certificate.issuer.rfc4514_string() for certificate in certificates.read(pem.encode())}
    return found


def test_a_replica_that_ends_is_not_missed(admin: Kubectl, encrypting: str) -> None:
    with steadily(admin, encrypting) as refused:
        admin.run("-n", NAMESPACE, "rollout", "restart", "deployment/sovereign-injector")
        admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-injector", "--timeout=120s")
    assert not refused


NO_METADATA = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "u",
        "operation": "CREATE",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": "tenant-a",
        "object": {"metadata": 0, "spec": {"containers": []}},
    },
}
BODIES: dict[str, tuple[list[str], str]] = {
    "nothing": (["--data", ""], "400"),
    "no JSON": (["--data", "{"], "400"),
    "a pod": (["--data", '{"apiVersion": "v1", "kind": "Pod"}'], "400"),
    "a pod whose metadata is none": (["--data", json.dumps(NO_METADATA)], "400"),
    "too much": (["--header", "Expect:", "--data-binary", "@-"], "413"),
    "another method": (["--request", "GET"], "404"),
}


@pytest.mark.parametrize(("options", "status"), BODIES.values(), ids=BODIES.keys())
def test_whatever_is_sent_is_answered(admin: Kubectl, cluster: Cluster, options: list[str], status: str) -> None:
    # The body that is too large comes from standard input, which only that request reads.
    fed = ["sh", "-c", 'head --bytes=25M /dev/zero | "$@"', "sh"]
    for replica in living_pods(admin, NAMESPACE, PODS):
        url = f"https://{replica['status']['podIP']}:8443/inject"
        command = [
            *fed,
            "curl",
            "--silent",
            "--insecure",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            *options,
            url,
        ]
        # The injector does not wait for the rest of a body that is too large: the connection may end before curl has
        # read the answer.
        eventually(lambda command=command: cluster.node_exec("nantes-1", command).stdout == status, what=status)  # type: ignore[misc]
