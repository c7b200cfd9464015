"""A namespace whose policy encrypts, and a ward in Strict."""

from collections.abc import Iterator

import pytest

from hack.cluster import Cluster
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.sidecars import encrypted
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import ASK, encrypting_policy, python, ready, run
from tests.e2e.support.strict_ward import POLICY, SERVE, named


@pytest.fixture
def encrypting(space: Space, transit: str) -> str:
    """Return a namespace whose policy encrypts."""
    return space(transit)


@pytest.fixture(scope="package")
def strict_policy(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    """One policy for all modules test_strict*, which run one after the other."""
    with encrypting_policy(admin, cluster, POLICY, plainDatagrams=[named(cluster)]) as name:
        yield name


@pytest.fixture
def ward(admin: Kubectl, strict_policy: str, space: Space) -> tuple[str, str]:
    """A namespace in Strict with a server in Brest and a client in Lyon, and the server's address."""
    namespace = space(strict_policy)
    admin.apply(python("server", "brest-1", SERVE), python("client", "lyon-1"), namespace=namespace)
    host = ready(admin, namespace, "client", "server")
    eventually(lambda: run(admin, namespace, "client", ASK, host) == "answered", what="a first answer")
    eventually(lambda: encrypted(admin, strict_policy)["status"] == "True", what="Strict")
    return namespace, host
