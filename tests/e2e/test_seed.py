"""What the chart ships is created once: whichever tool comes again, what people recorded since stays."""

import json
from collections.abc import Callable, Iterator

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE, RELEASE, helm, install
from hack.kubectl import Kubectl, KubectlError
from tests.e2e.conftest import OPTIONS

CATALOGUE = (*OPTIONS, "--set", "catalogue.enabled=true")
SUSPENDED, DELETED, CORRECTED = "outscale-cloudgouv", "bleu", "hds"
JOBS = ("job", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=seed")
RECORD = ("configmap", "sovereign-seed", NAMESPACE)


def created(admin: Kubectl) -> set[str]:
    """Return what was there once, as the seed recorded it."""
    return set(admin.get(*RECORD)["data"]["created"].split())


def correct(admin: Kubectl, laws: list[str] | None) -> None:
    """Change what a preset demands."""
    admin.run("patch", "spol", CORRECTED, "--type=merge", "-p", json.dumps({"spec": {"acceptedForeignLaws": laws}}))


@pytest.fixture
def catalogue(admin: Kubectl, cluster: Cluster) -> Iterator[None]:
    """The catalogue beside the presets. In the end the presets are alone again, and as the chart ships them."""
    install(cluster, *CATALOGUE)
    yield
    correct(admin, None)
    services = [name.partition("/")[2] for name in created(admin) if name.startswith("CloudService/")]
    admin.run("delete", "cloudservice", *services, "--ignore-not-found")
    admin.run("patch", "configmap", "sovereign-seed", "-n", NAMESPACE, "-p", '{"data": {"created": null}}')
    install(cluster, *OPTIONS)


def upgrade(admin: Kubectl, cluster: Cluster) -> None:
    """Upgrade to another selection, which is another Job."""
    before = admin.run("get", *JOBS, "-o", "name")
    install(cluster, *CATALOGUE, "--set", "presets.enabled=false")
    assert admin.run("get", *JOBS, "-o", "name") != before


def sync(admin: Kubectl, cluster: Cluster) -> None:
    """Apply the whole manifest as Argo CD does in each sync, after the finished Job was tidied up."""
    admin.run("delete", *JOBS)
    manifest = helm(cluster, "get", "manifest", RELEASE, "--namespace", NAMESPACE)
    admin.apply(manifest, options=["--server-side", "--field-manager=helm"])
    admin.run("wait", *JOBS, "--for=condition=Complete", "--timeout=60s")


@pytest.mark.usefixtures("catalogue")
def test_what_people_recorded_outlasts_every_tool(admin: Kubectl, cluster: Cluster) -> None:
    assert {f"CloudService/{SUSPENDED}", f"CloudService/{DELETED}", f"SovereigntyPolicy/{CORRECTED}"} <= created(admin)
    suspend = [{"op": "replace", "path": "/spec/qualifications/0/status", "value": "Suspended"}]
    admin.run("patch", "cloudservice", SUSPENDED, "--type=json", "-p", json.dumps(suspend))
    correct(admin, ["CH"])
    admin.run("delete", "cloudservice", DELETED)
    before = admin.get("cloudservice", SUSPENDED)["spec"], admin.get("spol", CORRECTED)["spec"]
    tools: tuple[Callable[[Kubectl, Cluster], None], ...] = (upgrade, sync)
    for come_again in tools:
        come_again(admin, cluster)
        assert (admin.get("cloudservice", SUSPENDED)["spec"], admin.get("spol", CORRECTED)["spec"]) == before
        with pytest.raises(KubectlError, match="NotFound"):
            admin.get("cloudservice", DELETED)
