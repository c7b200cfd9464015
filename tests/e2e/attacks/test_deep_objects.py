"""JSON nested nearly as deep as an API server accepts: no process ends, and other objects are still handled.

Every client may send its own `metadata.managedFields` with any object, and the template of a SovereignWorkload has no
schema. API servers accept 10,000 levels.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.certificates import asking
from tests.e2e.support.estate import host_names
from tests.e2e.support.manifests import pod, sovereign, workload_spec
from tests.e2e.support.observed import audit, endings, suspend
from tests.e2e.support.peers import SIGNER
from tests.e2e.support.spaces import Space

DEVELOPER = "deep-developer"
LEVELS = 4_000
FREE, INSIDE = "nantes-1", "brest-1"
SOON = 15

Send = Callable[[Kubectl, str, Json], None]


def managed(levels: int = LEVELS) -> list[Json]:
    """Return managedFields with a marker for this depth. The text is built later, because Python's encoder cannot nest
    so deep.
    """
    return [
        {
            "manager": "digger",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": f"@{levels}@",
        }
    ]


def dug(obj: Json) -> str:
    """Return an object as JSON, with its managedFields' marker replaced by `f:a` nested LEVELS deep."""
    text = json.dumps(obj)
    deep = '{"f:metadata":{"f:labels":' + '{"f:a":' * LEVELS + "{}" + "}" * LEVELS + "}}"
    return text.replace(f'"@{LEVELS}@"', deep)


@pytest.fixture
def send(tmp_path: Path) -> Send:
    """Return a function that creates an object of any depth: kubectl sends the file unchanged."""

    def create(sender: Kubectl, path: str, obj: Json) -> None:
        manifest = tmp_path / "object.json"
        manifest.write_text(dug(obj), encoding="utf-8")
        sender.run("create", "--raw", path, "-f", str(manifest))

    return create


@pytest.fixture
def developer(admin: Kubectl, cluster: Cluster, space: Space) -> tuple[Kubectl, str, str]:
    """Return a user with `edit` on a namespace in scope and on one that is not."""
    scoped, free = space(), space(None)
    for namespace in (scoped, free):
        admin.run("-n", namespace, "create", "rolebinding", "dev", "--clusterrole=edit", f"--user={DEVELOPER}")
    return Kubectl(cluster.user_kubeconfig(DEVELOPER)), scoped, free


@pytest.fixture
def suspension_arrives(admin: Kubectl, changed_estate: None) -> Iterator[None]:  # noqa: ARG001 - it restores everything
    """Suspend a service after a test's attack: within seconds its nodes must be gone from the host role."""
    before = endings(admin)
    yield
    suspend(admin, "armor-snc")
    eventually(lambda: INSIDE not in host_names(admin, "secnumcloud"), seconds=SOON, what="a suspension")
    assert endings(admin) == before


def deep(obj: Json) -> Json:
    """Return an object with managedFields of its own."""
    return obj | {"metadata": obj["metadata"] | {"managedFields": managed()}}


@pytest.mark.usefixtures("suspension_arrives")
def test_a_deep_template_ends_nothing(admin: Kubectl, developer: tuple[Kubectl, str, str], send: Send) -> None:
    dev, scoped, _ = developer
    spec = workload_spec("Deployment", "deep", 1)
    spec["template"]["metadata"]["annotations"] = {"deep": f"@{LEVELS}@"}
    obj = sovereign("deep", template={"kind": "Deployment", "spec": spec})
    send(dev, f"/apis/sovereignty.dev/v1alpha1/namespaces/{scoped}/sovereignworkloads", obj)
    reason = 'jsonpath={.status.conditions[?(@.type=="Accepted")].reason}'
    eventually(
        lambda: admin.run("-n", scoped, "get", "swl", "deep", "-o", reason) == "TemplateTooLarge", what="an answer"
    )


@pytest.mark.usefixtures("suspension_arrives")
def test_deep_pods_end_nothing(admin: Kubectl, developer: tuple[Kubectl, str, str], send: Send) -> None:
    """A waiting pod in scope, which the controller reads, and a pod out of scope, which the agent of its node reads."""
    dev, scoped, free = developer
    send(dev, f"/api/v1/namespaces/{scoped}/pods", deep(pod("gated", schedulingGates=[{"name": "example.org/never"}])))
    send(dev, f"/api/v1/namespaces/{free}/pods", deep(pod("plain", nodeName=FREE)))
    # Python cannot parse the object, whose managed fields are as deep.
    phase = ("-n", free, "get", "pod", "plain", "-o", "jsonpath={.status.phase}")
    eventually(lambda: admin.run(*phase) == "Running", what="a pod that runs")
    admin.create(pod("after"), scoped)
    eventually(lambda: audit(admin.get("pod", "after", scoped)).get("datacentre"), what="annotations")


@pytest.mark.usefixtures("suspension_arrives")
def test_a_deep_request_for_a_certificate_ends_nothing(
    admin: Kubectl, cluster: Cluster, developer: tuple[Kubectl, str, str], send: Send
) -> None:
    _, _, free = developer
    certificate = {"signerName": SIGNER, "keyType": "ECDSAP256", "credentialBundlePath": "tls.pem"}
    volume = {"name": "identity", "projected": {"sources": [{"podCertificate": certificate}]}}
    obj = pod("asks", nodeName=FREE, volumes=[volume])
    obj["spec"]["containers"][0]["volumeMounts"] = [{"name": "identity", "mountPath": "/identity"}]
    admin.create(obj, free)
    asked = asking(admin, free, "asks")
    kubelet = Kubectl(cluster.node_kubeconfig(FREE))
    request: Json = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "PodCertificateRequest",
        "metadata": {"name": "deep"},
        "spec": asked,
    }
    send(kubelet, f"/apis/certificates.k8s.io/v1/namespaces/{free}/podcertificaterequests", deep(request))


@pytest.mark.usefixtures("suspension_arrives")
def test_a_deep_namespace_ends_nothing(admin: Kubectl, space: Space, send: Send) -> None:
    """Any user who may create namespaces can do this; kopf reads them."""
    name = f"{space(None)}-deep"
    send(admin, "/api/v1/namespaces", deep({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    admin.run("delete", "namespace", name, "--wait=false")
