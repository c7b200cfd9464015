"""A user who may do everything in one namespace, and nothing elsewhere, and pods to attack."""

from collections.abc import Iterator

import pytest

from hack.cluster import Cluster
from hack.kubectl import Kubectl
from tests.e2e.support.sidecars import Exposed, exposed_to
from tests.e2e.support.spaces import Chief, Held, Space


@pytest.fixture
def chief(admin: Kubectl, cluster: Cluster, space: Space) -> Chief:
    """Create a namespace, and give a user all rights in it and none elsewhere."""

    def make(policy: str | None = "secnumcloud") -> tuple[Kubectl, str]:
        namespace = space(policy)
        admin.run("-n", namespace, "create", "rolebinding", "chief", "--clusterrole=cluster-admin", "--user=chief")
        return Kubectl(cluster.user_kubeconfig("chief")), namespace

    return make


@pytest.fixture(scope="module")
def exposed(admin: Kubectl, transit: str, roaming: Held) -> Iterator[Exposed]:
    with exposed_to(admin, transit, roaming) as found:
        yield found
    admin.run("-n", roaming.namespace, "delete", "pods", "--all", "--wait=false")
