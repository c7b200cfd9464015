"""The demo shows what it promises, and fails if a promise is not kept."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from hack.cluster import Cluster
from hack.demo import encryption
from hack.demo.__main__ import IMAGES, SPACE
from hack.demo.attacks import MISTYPED_SPACE
from hack.images import public
from hack.kubectl import Kubectl
from tests.e2e.support.guards import without_bindings

pytestmark = pytest.mark.usefixtures("application", "changed_estate")


@pytest.fixture
def application(admin: Kubectl, cluster: Cluster) -> Iterator[None]:
    """Load the images of the demo's applications on the nodes, and delete its namespaces and policy at the end."""
    for image in IMAGES:
        cluster.load_image(public.archive(image))
    yield
    spaces = (SPACE, MISTYPED_SPACE, encryption.SPACE, encryption.OUTSIDE)
    admin.run("delete", "namespace", *spaces, "--ignore-not-found", "--wait=false")
    admin.delete("sovereigntypolicy", encryption.POLICY)


def run(cluster: Cluster) -> subprocess.CompletedProcess[str]:
    """Run the demo on a cluster that has the operator installed."""
    command = [sys.executable, "-m", "hack.demo", "--name", cluster.name, "--installed"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def test_it_shows_everything_on_one_screen(cluster: Cluster) -> None:
    demo = run(cluster)
    assert demo.returncode == 0, demo.stderr
    assert "requests were answered and 0 failed" in demo.stdout
    assert demo.stdout.count("sovereignty-guard-") == 4
    assert "OU = hospital-encrypted, CN = brest" in demo.stdout
    assert "readable requests: 0" in demo.stdout
    assert "open connection was cut" in demo.stdout
    assert len(demo.stdout.splitlines()) <= 70


def test_it_fails_without_the_guards(admin: Kubectl, cluster: Cluster) -> None:
    guards = [
        entry["metadata"]["name"]
        for entry in admin.list("validatingadmissionpolicybindings")
        if entry["metadata"]["name"].startswith("sovereignty-guard-")
    ]
    with without_bindings(admin, *guards):
        demo = run(cluster)
    assert demo.returncode == 1
    assert "was not refused" in demo.stderr
