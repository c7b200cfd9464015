"""Who runs ``kubectl sovereign``, and a namespace in scope to ask about."""

import pytest

from hack.cluster import Cluster
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.client import Client
from tests.e2e.support.manifests import sovereign, workload
from tests.e2e.support.observed import condition
from tests.e2e.support.spaces import Space


@pytest.fixture(scope="session")
def client(admin: Kubectl) -> Client:
    """The program as the cluster admin runs it."""
    return Client(admin.kubeconfig)


@pytest.fixture
def hospital(admin: Kubectl, space: Space) -> str:
    """A namespace in scope with the Deployment ``app``, which a SovereignWorkload refers to and which runs."""
    name = space()
    admin.apply(
        workload("Deployment", "app", replicas=1),
        sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}),
        namespace=name,
    )
    eventually(lambda: condition(admin, "swl", "app", "Ready", name)["status"] == "True", what="ready")
    return name


@pytest.fixture
def developer(admin: Kubectl, cluster: Cluster, hospital: str) -> Client:
    """Somebody who has ``edit`` in that namespace, and nothing else."""
    admin.run("-n", hospital, "create", "rolebinding", "dev", "--clusterrole=edit", "--user=dev")
    return Client(cluster.user_kubeconfig("dev"))


@pytest.fixture
def stranger(cluster: Cluster) -> Client:
    """Somebody without any rights."""
    return Client(cluster.user_kubeconfig("stranger"))
