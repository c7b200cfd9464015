"""From the ways of Kubernetes 1.35 to those of 1.37, with workloads in Strict.

The order is that of crds/operations.md. The API server here serves both, so the chart is told what it would find out.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import living_pods, placed_for
from tests.e2e.support.sidecars import dry_run, encrypted, sidecar_of
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import PORT, encrypting_policy, python, ready, said
from tests.e2e.support.strict_ward import SERVE
from tests.e2e.support.ways import asking, listing, switch

POLICY = "hospital-upgraded"
OLDER = "placement.by=Webhook,identity.certificates=Token"
NEW_SERVER = "placement.by=Policies,identity.certificates=Token"
"""After the upgrade of the API servers: what the chart finds out by itself."""
NEW_KUBELETS = "placement.by=Policies,identity.certificates=Request"
"""After that of all kubelets: what an admin sets."""

PATIENCE = 30
"""How many seconds a connection may take: a machine of two cores that upgrades all processes leaves pods little."""

CONNECT = f"""
import socket, sys, time
asked = failed = 0
while True:
    asked += 1
    try:
        with socket.create_connection((sys.argv[1], {PORT}), {PATIENCE}) as connection:
            connection.sendall(b"word")
            assert connection.recv(4) == b"word"
    except (OSError, AssertionError) as error:
        failed += 1
        print("failure", error, flush=True)
    print("asked", asked, "failed", failed, flush=True)
    time.sleep(0.05)
"""
"""Connects again and again."""


@contextmanager
def pods_created_meanwhile(admin: Kubectl, namespace: str) -> Iterator[list[Json]]:
    """Try to create pods without end, as dry runs, and give those that would be created: refusals do not matter."""
    created: list[Json] = []
    over = threading.Event()

    def create() -> None:
        # Not as fast as it can: the API server has to serve the upgrades meanwhile.
        while not over.wait(0.2):
            made = admin.attempt(
                "-n", namespace, "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod("tried"))
            )
            if not made.returncode:
                created.append(json.loads(made.stdout))

    trying = threading.Thread(target=create)
    trying.start()
    try:
        yield created
    finally:
        over.set()
        trying.join()


def says_that_kubelets_may_ask(admin: Kubectl) -> bool:
    """Whether the policy tells the admin that the last of the values can be set: all kubelets are new enough."""
    conditions = admin.get("spol", POLICY).get("status", {}).get("conditions", ())
    return any(
        (one["type"], one["status"], one["reason"]) == ("PodCertificates", "True", "KubeletsSupportThem")
        for one in conditions
    )


@pytest.fixture
def older_ways(admin: Kubectl, cluster: Cluster) -> Iterator[None]:
    """Install what the chart installs on an older Kubernetes; restore what it installs here at the end."""
    switch(admin, cluster, OLDER)
    yield
    switch(admin, cluster, "placement.by=,identity.certificates=Request")
    # Until the new controller leads, roles list the namespaces that there were.
    eventually(lambda: not listing(admin), what="roles that list no namespaces but those that policies list")


@pytest.mark.usefixtures("older_ways")
def test_nothing_restarts_fails_or_slips_through(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    with encrypting_policy(admin, cluster, POLICY):
        namespace = space(POLICY)
        admin.apply(python("server", "brest-1", SERVE), namespace=namespace)
        host = ready(admin, namespace, "server")
        admin.apply(python("client", "lyon-1", CONNECT, host), namespace=namespace)
        ready(admin, namespace, "client")
        eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict")
        before = {each["metadata"]["uid"]: each for each in living_pods(admin, namespace)}
        assert {asking(each) for each in before.values()} == {"sidecar"}
        begun = len(said(admin, namespace, "client"))

        with pods_created_meanwhile(admin, namespace) as created:
            for values, asks in ((NEW_SERVER, "sidecar"), (NEW_KUBELETS, "kubelet")):
                switch(admin, cluster, values)
                eventually(
                    lambda asks=asks: asking(dry_run(admin, pod("tried"), namespace)) == asks,  # type: ignore[misc]
                    what=f"new pods whose {asks} asks",
                )
                eventually(
                    lambda asks=asks: says_that_kubelets_may_ask(admin) == (asks == "sidecar"),  # type: ignore[misc]
                    what="word that the next value can be set, until it is",
                )

        assert created
        for made in created:
            assert placed_for(made) == {POLICY}
            assert sidecar_of(made)
            assert asking(made) in {"sidecar", "kubelet"}
        # A pod with each way, beside one another.
        admin.apply(python("newer", "lyon-1", CONNECT, host), namespace=namespace)
        ready(admin, namespace, "newer")
        eventually(lambda: len(said(admin, namespace, "newer")) > 20, what="traffic of the new pod")
        after = {each["metadata"]["uid"]: each for each in living_pods(admin, namespace)}
        assert before.keys() <= after.keys()
        restarts = [
            status["restartCount"]
            for each in after.values()
            for kind in ("initContainerStatuses", "containerStatuses")
            for status in each["status"][kind]
        ]
        assert not any(restarts)
        for name, since in (("client", begun), ("newer", 1)):
            lines = said(admin, namespace, name)
            assert len(lines) > since + 20
            assert not [line for line in lines[since:] if line.startswith("failure")]
        assert admin.get("spol", POLICY)["status"]["encryption"]["mode"] == "Strict"
        # Until the new controller has asked the sidecar of the new pod, it does not know that all is encrypted.
        eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="word that all is encrypted")
