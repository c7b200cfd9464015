"""The chart's presets and catalogue are created once: whichever tool runs again, later changes by people stay."""

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest

from hack.cluster import Cluster
from hack.install import CHART, NAMESPACE, RELEASE, helm
from hack.kubectl import Json, Kubectl, KubectlError
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.seed.__main__ import CONFIG_MAP, CREATED, OBJECTS, RECORD, SeedError, seed
from tests.e2e.support.spaces import Space

SUSPENDED, DELETED, CORRECTED = "outscale-cloudgouv", "bleu", "hds"
JOBS = ("job", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=seed")


def created(admin: Kubectl, namespace: str = NAMESPACE) -> set[str]:
    """Return the objects that the seed has recorded as created."""
    return set(admin.get("configmap", RECORD, namespace)["data"][CREATED].split())


def correct(admin: Kubectl, laws: list[str] | None) -> None:
    """Change acceptedForeignLaws of a preset."""
    admin.run("patch", "spol", CORRECTED, "--type=merge", "-p", json.dumps({"spec": {"acceptedForeignLaws": laws}}))


def select(cluster: Cluster, values: str) -> None:
    """Upgrade to another selection of objects, which makes Helm run another Job."""
    release = ("upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE, "--reuse-values")
    helm(cluster, *release, "--set", values, "--no-hooks", "--wait", "--wait-for-jobs", "--timeout", "2m")


@pytest.fixture
def catalogue(admin: Kubectl, cluster: Cluster) -> Iterator[None]:
    """The catalogue in addition to the presets. At the end only the unchanged presets remain."""
    select(cluster, "catalogue.enabled=true")
    yield
    correct(admin, None)
    services = [name.partition("/")[2] for name in created(admin) if name.startswith("CloudService/")]
    admin.run("delete", "cloudservice", *services, "--ignore-not-found")
    admin.run("patch", "configmap", RECORD, "-n", NAMESPACE, "-p", json.dumps({"data": {CREATED: None}}))
    select(cluster, "catalogue.enabled=false")


def upgrade(admin: Kubectl, cluster: Cluster) -> None:
    """Upgrade with Helm to another Job and back, so that the first Job runs again."""
    before = admin.run("get", *JOBS, "-o", "name")
    select(cluster, "presets.enabled=false")
    assert admin.run("get", *JOBS, "-o", "name") != before
    select(cluster, "presets.enabled=true")


def sync(admin: Kubectl, cluster: Cluster) -> None:
    """Apply the whole manifest as Argo CD does in each sync, after the finished Job was removed."""
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


def told(admin: Kubectl, namespace: str, items: list[Json], **former: str) -> None:
    """Create the seed's ConfigMaps. ``former`` is data that an earlier version kept beside the objects."""
    data = {OBJECTS: json.dumps({"items": items}), **former}
    for name, content in ((CONFIG_MAP, {"data": data}), (RECORD, {})):
        admin.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **content}, namespace)


def run(cluster: Cluster, namespace: str) -> None:
    """Do once what the Job does."""

    async def seeding() -> None:
        async with await connect(cluster.kubeconfig) as client:
            await seed(Api(client, ServerClock()), namespace)

    asyncio.run(seeding())


def test_what_a_version_of_before_recorded_counts(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    """An earlier version kept its record in the ConfigMap with the objects."""
    namespace = space(None)
    kind = {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "SovereigntyPolicy"}
    told(admin, namespace, [kind | {"metadata": {"name": "gone"}, "spec": {}}], **{CREATED: "SovereigntyPolicy/gone"})
    run(cluster, namespace)
    with pytest.raises(KubectlError, match="NotFound"):
        admin.get("spol", "gone")
    assert created(admin, namespace) == {"SovereigntyPolicy/gone"}


def test_one_that_the_api_server_refuses_is_named_and_in_nobodys_way(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    """This happens if the CRDs are older than the chart: they would drop a demand, and the policy would be too lax."""
    namespace = space(None)
    kind = {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "SovereigntyPolicy"}
    demands = {"newer": "moons", "known": "countries"}
    items = [kind | {"metadata": {"name": name}, "spec": {demand: ["FR"]}} for name, demand in demands.items()]
    told(admin, namespace, items)
    try:
        with pytest.raises(SeedError, match=r'^SovereigntyPolicy/newer: .*unknown field "spec.moons"'):
            run(cluster, namespace)
        assert created(admin, namespace) == {"SovereigntyPolicy/known"}
        assert admin.get("spol", "known")["spec"]["countries"] == ["FR"]
    finally:
        admin.delete("spol", *demands)
