"""The demo keeps its promises, and fails when they are not kept."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from hack.cluster import Cluster
from hack.demo.__main__ import SPACE
from hack.demo.attacks import MISTYPED_SPACE
from hack.images import public
from hack.kubectl import Kubectl
from tests.e2e.guards import without_bindings

pytestmark = pytest.mark.usefixtures("application", "changed_estate")


@pytest.fixture
def application(admin: Kubectl, cluster: Cluster) -> Iterator[None]:
    """Give the nodes the image of the demo's application, and take the application away in the end."""
    cluster.load_image(public.archive("docker.io/mccutchen/go-httpbin:v2.15.0"))
    yield
    admin.run("delete", "namespace", SPACE, MISTYPED_SPACE, "--ignore-not-found", "--wait=false")


def run(cluster: Cluster) -> subprocess.CompletedProcess[str]:
    """Run the demo on a cluster that has the operator."""
    command = [sys.executable, "-m", "hack.demo", "--name", cluster.name, "--installed"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def test_it_shows_everything_on_one_screen(cluster: Cluster) -> None:
    demo = run(cluster)
    assert demo.returncode == 0, demo.stderr
    assert "requests were answered and 0 failed" in demo.stdout
    assert demo.stdout.count("sovereignty-guard-") == 4
    assert len(demo.stdout.splitlines()) <= 60


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
