"""Certificates, authorities and bundles change under steady traffic, and no handshake fails."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Kubectl, eventually
from tests.e2e.conftest import Space
from tests.e2e.peers import IMAGES, address, pair, peer_pod
from tests.e2e.seen import audit
from tests.e2e.shifted import shifted
from tests.e2e.test_identity import trusted

pytestmark = pytest.mark.usefixtures("changed_estate")


class Traffic:
    """A pod that asks a server without end, each time on a new connection."""

    def __init__(self, admin: Kubectl, namespace: str) -> None:
        self._admin, self._namespace = admin, namespace

    def so_far(self) -> tuple[int, str]:
        """Return how often it has asked, and what failed."""
        lines = self._admin.run("-n", self._namespace, "logs", "asker").splitlines()
        failures = [line for line in lines if line.startswith("failed:")]
        return sum(line.startswith("asked") for line in lines), "; ".join(failures[:3])

    def goes_on(self) -> None:
        """Wait until it has asked some times more, and see that nothing failed."""
        begun, _ = self.so_far()
        eventually(lambda: self.so_far()[0] > begun + 20, what="traffic")
        assert not self.so_far()[1]


def certificate(admin: Kubectl, namespace: str, name: str) -> str:
    """Return what a pod says of its certificate."""
    return audit(admin.get("pod", name, namespace)).get("certificate", "")


def test_everything_is_renewed_without_a_failed_handshake(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    cluster.load_image(public.archive_all(IMAGES))
    namespace = space()
    host = pair(admin, namespace)
    admin.apply(peer_pod("asker", "lyon-1", "python3", "/peer/forever.py", host), namespace=namespace)
    address(admin, namespace, "asker")
    traffic = Traffic(admin, namespace)
    traffic.goes_on()
    first = eventually(lambda: certificate(admin, namespace, "asker"), what="word of the certificate")
    (old,) = trusted(admin)["lyon"]

    # A kubelet that begins anew asks for new certificates at once.
    cluster.restart_kubelet("lyon-1")
    second = eventually(
        lambda: (seen := certificate(admin, namespace, "asker")) != first and seen, seconds=90, what="a new leaf"
    )
    traffic.goes_on()

    # An authority that would outlive what it rests on is replaced.
    ends = (datetime.now(UTC).date() + timedelta(days=20)).isoformat()
    patch = [{"op": "replace", "path": "/spec/qualifications/0/validUntil", "value": ends}]
    admin.run("patch", "cloudservice", "hexa-gouv", "--type=json", "-p", json.dumps(patch))
    eventually(lambda: trusted(admin)["lyon"] == [old, old + 1], what="its successor in the bundle")
    traffic.goes_on()
    # The bundle had time to come everywhere before the successor signs.
    eventually(
        lambda: f"by authority.secnumcloud.lyon.{old + 1}," in renewed(admin, cluster, namespace, second),
        seconds=120,
        what="a leaf of the successor",
    )
    traffic.goes_on()

    # A day later nothing of the old authority lives, and it leaves the bundle.
    with shifted(admin, cluster, deployment="sovereign-signer") as server:
        server.now = datetime.now(UTC) + timedelta(hours=25)
        eventually(lambda: trusted(admin)["lyon"] == [old + 1], seconds=90, what="the old one out")
        traffic.goes_on()
    traffic.goes_on()
    assert traffic.so_far()[0] > 200


def renewed(admin: Kubectl, cluster: Cluster, namespace: str, before: str) -> str:
    """Have the kubelet ask anew, and return what the pod says of its certificate then."""
    current = certificate(admin, namespace, "asker")
    cluster.restart_kubelet("lyon-1")
    return eventually(
        lambda: (seen := certificate(admin, namespace, "asker")) not in {before, current} and seen,
        seconds=60,
        what="a new leaf",
    )
