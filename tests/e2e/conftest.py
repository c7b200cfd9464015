"""One cluster with the operator, as the chart installs it, for all tests of this folder.

Tests marked ``every_kubernetes`` run on it, and once more on a cluster with an older Kubernetes.
"""

import os
import re
from collections.abc import Generator, Iterator
from uuid import uuid4

import pytest

from hack import estate
from hack.cluster import Cluster, ClusterSpec, up
from hack.cluster.local import LocalCluster
from hack.cluster.spec import NEWEST_KUBERNETES
from hack.images import public
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.support import manifests
from tests.e2e.support.estate import restore_estate, until_in_force
from tests.e2e.support.installation import MALLORY, admin_of, prepare
from tests.e2e.support.observed import operator_state
from tests.e2e.support.spaces import Held, Space


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have a test marked ``every_kubernetes`` run twice; on the newest Kubernetes it is called as if it ran once.

    One marked ``older_kubernetes`` runs on the older alone. ``every_kubernetes(only=[...])`` names the parameters that
    run on the older, too, by their ids: see below.
    """
    marked = metafunc.definition.get_closest_marker
    if marked("every_kubernetes") or marked("older_kubernetes"):
        older = metafunc.config.getoption("--kubernetes")
        runs = {} if marked("older_kubernetes") else {None: pytest.HIDDEN_PARAM}
        runs |= {} if older == NEWEST_KUBERNETES else {older: older}
        metafunc.parametrize("kubernetes", list(runs), ids=list(runs.values()), indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out on the older Kubernetes what a mark ``every_kubernetes(only=...)`` does not name.

    Raises UsageError for a name that is no parameter, unless some tests were asked for by their ids.
    """
    left_out, unknown = set[pytest.Item](), dict[str, set[str]]()
    for item in items:
        mark = item.get_closest_marker("every_kubernetes")
        if mark is None or "only" not in mark.kwargs or not isinstance(item, pytest.Function):
            continue
        older = item.callspec.params["kubernetes"]
        wanted = unknown.setdefault(item.nodeid.partition("[")[0], set(mark.kwargs["only"]))
        # The newest Kubernetes has no part in the id of a test.
        name = item.callspec.id.removeprefix(f"{older}-") if older else item.callspec.id
        if older and name not in mark.kwargs["only"]:
            left_out.add(item)
        wanted.discard(name)
    if any(unknown.values()) and not any("::" in argument for argument in config.args):
        raise pytest.UsageError(f"every_kubernetes(only=...) names parameters that there are not: {unknown}")
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the operator to the report of a failure, as the cluster is gone when somebody reads it."""
    report = yield
    given = getattr(item, "funcargs", {})
    if report.failed and isinstance(admin := given.get("admin"), Kubectl):
        report.sections.append(("The operator after the failure", operator_state(admin)))
    if report.failed and isinstance(cluster := given.get("bare_cluster"), LocalCluster):
        report.sections.append(("Parts of the cluster that ended", cluster.explain_deaths() or "none"))
    return report


@pytest.fixture(scope="session")
def kubernetes(request: pytest.FixtureRequest) -> str | None:
    """The older Kubernetes on which a test runs; None: the newest."""
    older: str | None = getattr(request, "param", None)
    return older


@pytest.fixture(scope="session")
def bare_cluster(request: pytest.FixtureRequest, kubernetes: str | None) -> Iterator[Cluster]:
    """Four nodes, each for a datacentre of its own, without the operator. Each process of pytest-xdist has its own."""
    version = (kubernetes or "").replace(".", "-")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    name = "-".join(filter(None, (request.config.getoption("--cluster"), version, worker)))
    cluster = up(ClusterSpec(name, estate.NODES, kubernetes=kubernetes))
    cluster.load_image(public.archive(manifests.IMAGE))
    yield cluster
    if not request.config.getoption("--keep-cluster"):
        cluster.down()


@pytest.fixture(scope="session")
def cluster(bare_cluster: Cluster) -> Cluster:
    """The cluster with the operator, the example datacentres and the preset policies."""
    prepare(bare_cluster)
    return bare_cluster


@pytest.fixture(scope="session")
def admin(cluster: Cluster) -> Kubectl:
    """The cluster admin."""
    return admin_of(cluster)


@pytest.fixture(scope="session")
def mallory(admin: Kubectl, cluster: Cluster) -> Iterator[Kubectl]:
    """A user to whom RBAC allows everything."""
    admin.run("create", "clusterrolebinding", MALLORY, "--clusterrole=cluster-admin", f"--user={MALLORY}")
    yield Kubectl(cluster.user_kubeconfig(MALLORY))
    admin.delete("clusterrolebinding", MALLORY)


@pytest.fixture
def space(admin: Kubectl, request: pytest.FixtureRequest) -> Iterator[Space]:
    """Create namespaces, in scope of a policy if one is given, and delete them when the test ends."""
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
    """Return a namespace that is not in scope, but where the operator may create workloads."""
    name = "anywhere"
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    admin.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def changed_estate(admin: Kubectl) -> Iterator[None]:
    """Let a test change services, datacentres and replicas, and restore these when it ends."""
    yield
    restore_estate(admin)


@pytest.fixture(scope="session")
def transit(admin: Kubectl) -> str:
    """Return a policy with the demands of secnumcloud that encrypts."""
    name = "transit"
    admin.apply(estate.policy(admin, name, encryptionInTransit={"mode": "Permissive"}))
    until_in_force(admin, name)
    admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-injector", "--timeout=90s")
    return name


@pytest.fixture(scope="session")
def roaming(admin: Kubectl, transit: str) -> Held:
    """Return a policy that encrypts, and a namespace without a policy to which it gives certificates."""
    held = Held(f"{transit}-roaming", "roaming")
    granted = {"certificateNamespaces": {"names": [held.namespace]}}
    admin.apply(estate.policy(admin, held.policy, encryptionInTransit={"mode": "Permissive"}, **granted))
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": held.namespace}})
    eventually(lambda: admin.get("serviceaccount", "default", held.namespace), what="a service account")
    until_in_force(admin, held.policy)
    return held
