"""One cluster with the operator on it, as the chart installs it, for all tests of this folder."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

import pytest

from hack import estate
from hack.cluster import Cluster, ClusterSpec, binaries, up
from hack.images import public
from hack.install import CHART, NAMESPACE, RELEASE, helm, install
from hack.kubectl import Kubectl, eventually
from tests.e2e import manifests

Space = Callable[..., str]

MALLORY = "mallory"


class Held(NamedTuple):
    """A policy, and a namespace whose pods can be held to it."""

    policy: str
    namespace: str


OPTIONS = (
    "--set",
    "controller.leaseDurationSeconds=6,signer.leaseDurationSeconds=6,identity.propagationSeconds=20",
    "--set",
    "encryption.enabled=true",
    "--set",
    "controller.templateNamespaces={anywhere}",
)
"""What Helm is told, so that the tests need not wait, and so that all there is is installed."""


@pytest.fixture(scope="session")
def bare_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Four nodes, each in a datacentre of its own; nothing on it."""
    cluster = up(ClusterSpec(request.config.getoption("--cluster"), estate.NODES))
    cluster.load_image(public.archive(manifests.IMAGE))
    yield cluster
    if not request.config.getoption("--keep-cluster"):
        cluster.down()


@pytest.fixture(scope="session")
def cluster(bare_cluster: Cluster) -> Cluster:
    """The cluster with the operator, the example estate and the preset policies."""
    prepare(bare_cluster)
    return bare_cluster


def prepare(cluster: Cluster) -> None:
    """Put the operator and the estate on a cluster."""
    install(cluster, *OPTIONS)
    restore_estate(admin_of(cluster))


def upgrade(cluster: Cluster, *options: str) -> None:
    """Install the same again, as somebody does who was told to. Only hooks are waited for."""
    helm(cluster, "upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE, "--reuse-values", *options)


def admin_of(cluster: Cluster) -> Kubectl:
    """Return somebody whom RBAC allows everything."""
    return Kubectl(binaries.path("kubectl"), cluster.kubeconfig)


@pytest.fixture(scope="session")
def admin(cluster: Cluster) -> Kubectl:
    """The cluster admin."""
    return admin_of(cluster)


@pytest.fixture(scope="session")
def mallory(admin: Kubectl, cluster: Cluster) -> Iterator[Kubectl]:
    """Somebody whom RBAC allows everything."""
    admin.run("create", "clusterrolebinding", MALLORY, "--clusterrole=cluster-admin", f"--user={MALLORY}")
    yield Kubectl(binaries.path("kubectl"), cluster.user_kubeconfig(MALLORY))
    admin.delete("clusterrolebinding", MALLORY)


@pytest.fixture
def space(admin: Kubectl, request: pytest.FixtureRequest) -> Iterator[Space]:
    """Make namespaces, in scope of a policy if one is given, which go when the test ends."""
    made: list[str] = []

    def make(policy: str | None = "secnumcloud") -> str:
        words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-").removeprefix("test-")
        name = f"{words[:40].strip('-')}-{uuid4().hex[:6]}"
        labels = {} if policy is None else {"sovereignty.dev/enforce": policy}
        admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        made.append(name)
        eventually(lambda: admin.get("serviceaccount", "default", name), what=f"service account of {name}")
        return name

    yield make
    for name in made:
        admin.run("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="session")
def anywhere(admin: Kubectl) -> Iterator[str]:
    """Return a namespace that is not in scope, and yet one where the operator may create workloads."""
    name = "anywhere"
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    admin.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def changed_estate(admin: Kubectl) -> Iterator[None]:
    """Let a test change services, datacentres, presets and replicas; they are as before when it ends."""
    yield
    restore_estate(admin)


@pytest.fixture(scope="session")
def transit(admin: Kubectl) -> str:
    """Return a policy that demands what secnumcloud does, and encrypts."""
    name = "transit"
    admin.apply(estate.policy(admin, name, encryptionInTransit={"mode": "Permissive"}))
    eventually(lambda: host_names(admin, name) == list(estate.ACCEPTED), what="nodes that may host it")
    admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-injector", "--timeout=90s")
    return name


@pytest.fixture(scope="session")
def roaming(admin: Kubectl, transit: str) -> Held:
    """Return a policy that encrypts, and a namespace that is not in scope, to whose pods it gives certificates."""
    held = Held(f"{transit}-roaming", "roaming")
    granted = {"certificateNamespaces": {"names": [held.namespace]}}
    admin.apply(estate.policy(admin, held.policy, encryptionInTransit={"mode": "Permissive"}, **granted))
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": held.namespace}})
    eventually(lambda: admin.get("serviceaccount", "default", held.namespace), what="a service account")
    eventually(lambda: host_names(admin, held.policy) == list(estate.ACCEPTED), what="nodes that may host it")
    return held


def restore_estate(kubectl: Kubectl) -> None:
    """Put services and datacentres back, and wait until the operator has seen them."""
    deployments = ("deployment/sovereign-controller", "deployment/sovereign-signer")
    kubectl.run("-n", NAMESPACE, "scale", *deployments, "--replicas=2")
    kubectl.apply(
        *estate.services(datetime.now(UTC).date()),
        *estate.datacentres(kubectl),
        options=["--server-side", "--force-conflicts"],
    )
    eventually(
        lambda: (
            host_names(kubectl, "secnumcloud") == list(estate.ACCEPTED) and labelled(kubectl) == set(estate.ACCEPTED)
        ),
        what="the estate's verdicts",
    )


def host_names(kubectl: Kubectl, policy: str) -> list[str]:
    """Return the nodes that may host a policy's pods, as RBAC has them."""
    rules = kubectl.get("clusterrole", f"sovereignty:host:{policy}")["rules"]
    return sorted(name for rule in rules if rule["resources"] == ["nodes"] for name in rule.get("resourceNames", ()))


def labelled(kubectl: Kubectl, policy: str = "secnumcloud") -> set[str]:
    """Return the nodes that carry a policy's label."""
    selector = f"policy.sovereignty.node-restriction.kubernetes.io/{policy}=accepted"
    return {node["metadata"]["name"] for node in kubectl.list("nodes", selector=selector)}
