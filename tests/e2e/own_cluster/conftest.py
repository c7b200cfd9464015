"""A second, dual-stack cluster with the operator, for tests that need nothing of the others: both run at once."""

from collections.abc import Iterator

import pytest

from hack import estate
from hack.cluster import Cluster, ClusterSpec, up
from hack.kubectl import Kubectl
from tests.e2e.support.installation import admin_of, prepare


@pytest.fixture(scope="package")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A dual-stack cluster with the operator on it."""
    made = up(ClusterSpec(f"{request.config.getoption('--cluster')}-six", estate.NODES, dual_stack=True))
    prepare(made)
    yield made
    if not request.config.getoption("--keep-cluster"):
        made.down()


@pytest.fixture(scope="package")
def admin(cluster: Cluster) -> Kubectl:
    """The admin of that cluster."""
    return admin_of(cluster)
