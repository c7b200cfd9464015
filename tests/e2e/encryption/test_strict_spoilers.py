"""In Strict on a real cluster: those who forge, force or claim something are reported, and hold up nobody else."""

import json
from collections.abc import Iterator

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from sovereign_operator.core.kubernetes.mirror_pod import MIRROR_ANNOTATION
from sovereign_operator.core.sidecar.contract import LISTENERS_KEY, REDIRECTED_PORT
from tests.e2e.support.guards import force, without_bindings
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import events
from tests.e2e.support.sidecars import encrypted, sidecar_of, without_injector
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import ASK, change, python, ready, run
from tests.e2e.support.strict_ward import POLICY, preferred_for


def test_a_label_on_a_config_map_tells_nobody_anything(
    admin: Kubectl, mallory: Kubectl, ward: tuple[str, str], space: Space
) -> None:
    """A forged transit config with mode Off would otherwise take the whole policy back."""
    elsewhere = space(None)
    forged = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine", "labels": {"sovereignty.dev/transit-of": POLICY}},
        "data": {"mode": "Off", "cuts": "99", "datagrams": "any", LISTENERS_KEY: "{}"},
    }
    namespace, host = ward
    with without_bindings(admin, "sovereignty-guard-transit"):
        for where in (elsewhere, namespace):
            eventually(lambda where=where: mallory.create(forged, where), what="no guard")  # type: ignore[misc]
    # A later change has arrived once the controller has also processed the forged ConfigMap.
    change(admin, POLICY, longestConnectionSeconds=86400)
    try:
        told = f"sovereignty-transit.{POLICY}"
        eventually(lambda: "86400s" in admin.get("configmap", told, namespace)["data"][LISTENERS_KEY], what="it")
        found = admin.get("configmap", told, namespace)["data"]
        assert (found["mode"], found["datagrams"]) == ("Strict", found["datagrams"])
        assert int(found["cuts"]) < 99
        assert admin.get("spol", POLICY)["status"]["encryption"]["mode"] == "Strict"
    finally:
        change(admin, POLICY, longestConnectionSeconds=None)
    eventually(lambda: run(admin, namespace, "client", ASK, host) == "answered", what="an answer")


def test_a_namespace_that_takes_no_config_map_holds_up_nobody_else(
    admin: Kubectl, ward: tuple[str, str], space: Space
) -> None:
    namespace, _ = ward
    full = space(POLICY)
    # The namespace has its own ConfigMaps by now, so the quota leaves no room for more.
    eventually(lambda: admin.list("configmaps", full), what="the namespace's own")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}}
    admin.create(quota | {"spec": {"hard": {"count/configmaps": "0"}}}, full)
    eventually(lambda: admin.get("resourcequota", "full", full)["status"]["used"], what="a quota that counts")
    admin.create(python("waiting", "lyon-1"), full)
    change(admin, POLICY, longestConnectionSeconds=7200)
    try:
        for where in (namespace, NAMESPACE):
            eventually(
                lambda where=where: (  # type: ignore[misc]
                    "7200s" in admin.get("configmap", f"sovereignty-transit.{POLICY}", where)["data"][LISTENERS_KEY]
                ),
                what=f"what is told in {where}",
            )
        assert admin.attempt("-n", full, "get", "configmap", f"sovereignty-transit.{POLICY}").returncode
    finally:
        change(admin, POLICY, longestConnectionSeconds=None)


def test_what_an_admin_forces_onto_a_refused_node_is_alone_and_reported(admin: Kubectl, ward: tuple[str, str]) -> None:
    namespace, host = ward
    forced = python("forced", "paris-1")
    forced["spec"]["nodeName"] = "paris-1"
    force(admin, forced, namespace)
    # It has a sidecar, which gets no certificate: none of its containers ever starts.
    assert sidecar_of(admin.get("pod", "forced", namespace))
    eventually(
        lambda: "paris-1" in events(admin, namespace, "forced")["NodeNotAccepted"],
        seconds=60,
        what="word of the missing certificate",
    )
    states = eventually(
        lambda: admin.get("pod", "forced", namespace)["status"]["initContainerStatuses"], what="word of its kubelet"
    )
    assert all("waiting" in state["state"] for state in states)

    bare = python("bare", "paris-1")
    bare["spec"]["nodeName"] = "paris-1"
    guards = "sovereignty-guard-sidecars-by-namespace"
    with without_injector(admin, namespace, python("look", "lyon-1")), without_bindings(admin, guards):
        force(admin, bare, namespace)
    ready(admin, namespace, "bare")
    assert run(admin, namespace, "bare", ASK, host).startswith("refused")
    said = eventually(
        lambda: (found := encrypted(admin, POLICY))["reason"] == "PodsWithoutSidecar" and found, what="a report"
    )
    assert said["status"] == "False"
    admin.delete("pod", "bare", namespace=namespace)
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict again")


@pytest.fixture
def shown(admin: Kubectl, cluster: Cluster, ward: tuple[str, str]) -> Iterator[str]:
    """A mirror pod that the kubelet of a refused node creates in the ward's namespace and reports as running."""
    namespace, _ = ward
    node = admin.get("node", "paris-1")
    mirror = pod("static-paris-1", nodeName="paris-1")
    owner = {"apiVersion": "v1", "kind": "Node", "name": "paris-1", "uid": node["metadata"]["uid"], "controller": True}
    mirror["metadata"] |= {"annotations": {MIRROR_ANNOTATION: "x"}, "ownerReferences": [owner]}
    kubelet = Kubectl(cluster.node_kubeconfig("paris-1"))
    running = {"status": {"phase": "Running", "podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}]}}
    where = ("-n", namespace)
    # The real kubelet would soon delete a mirror pod for which it has no file.
    cluster.stop_kubelet("paris-1")
    try:
        kubelet.run(*where, "create", "-f", "-", stdin=json.dumps(mirror))
        path = f"/api/v1/namespaces/{namespace}/pods/static-paris-1/status"

        def report() -> str:
            current = admin.get("pod", "static-paris-1", namespace) | running
            return kubelet.run("replace", "--raw", path, "-f", "-", stdin=json.dumps(current))

        eventually(report, what="a report that meets no other write")
        yield f"{namespace}/static-paris-1 on paris-1"
        admin.run(*where, "delete", "pod", "static-paris-1", "--force", "--grace-period=0")
    finally:
        cluster.start_kubelet("paris-1")


def test_a_kubelet_holds_up_nothing_with_a_pod_that_it_only_shows(admin: Kubectl, shown: str) -> None:
    said = eventually(lambda: (found := encrypted(admin, POLICY))["reason"] == "StaticPods" and found, what="a report")
    assert f"static pods, which have no sidecar: {shown}: " in said["message"]
    change(admin, POLICY, mode="Preferred")
    try:
        eventually(lambda: preferred_for(admin), what="Preferred")
    finally:
        change(admin, POLICY, mode="Strict")
    eventually(lambda: encrypted(admin, POLICY)["reason"] == "StaticPods", seconds=60, what="Strict again")


FORGE_STATE = f"""
import http.server, json

STATS = [
    {{"name": "listener_manager.lds.version_text", "value": "forged"}},
    {{"name": "cluster.inbound-plain.upstream_cx_active", "value": 7}},
]

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({{"stats": STATS}}).encode())

http.server.HTTPServer(("", {REDIRECTED_PORT}), Answer).serve_forever()
"""


def test_who_claims_the_address_of_a_pod_does_not_answer_for_its_sidecar(
    admin: Kubectl, cluster: Cluster, ward: tuple[str, str], space: Space
) -> None:
    """With a Service of another namespace, nodes send traffic for a sidecar to a pod of that namespace."""
    namespace, host = ward
    elsewhere = space(None)
    admin.apply(python("forger", "nantes-1", FORGE_STATE, app="forger"), namespace=elsewhere)
    ready(admin, elsewhere, "forger")
    spec = {"selector": {"app": "forger"}, "externalIPs": [host], "ports": [{"port": REDIRECTED_PORT}]}
    admin.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ext"}, "spec": spec}, elsewhere)
    said = eventually(
        lambda: (found := encrypted(admin, POLICY))["reason"] == "AddressClaimed" and found, what="word of it"
    )
    assert f"{namespace}/server (Service {elsewhere}/ext)" in said["message"]
    # A client on a node, such as the controller, now gets the forger's answer.
    asked = ["curl", "--silent", "--max-time", "5", f"http://{host}:{REDIRECTED_PORT}/state"]
    eventually(lambda: "forged" in cluster.node_exec("nantes-1", asked).stdout, what="a Service that leads astray")
    assert encrypted(admin, POLICY)["reason"] == "AddressClaimed"
    admin.delete("service", "ext", namespace=elsewhere)
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", seconds=90, what="Strict again")


def test_an_image_that_runs_as_the_sidecars_user_is_reported_and_gets_nowhere(
    admin: Kubectl, ward: tuple[str, str]
) -> None:
    """No pod spec may set that user, but admission cannot see the user that an image sets."""
    namespace, host = ward
    found = sidecar_of(admin.get("pod", "client", namespace))
    assert found
    past = python("past", "lyon-1", "import signal; signal.pause()")
    # The sidecar's image has Python, and runs as the sidecar's user.
    past["spec"]["containers"][0]["image"] = found["image"]
    admin.apply(past, namespace=namespace)
    ready(admin, namespace, "past")
    assert run(admin, namespace, "past", ASK, host).startswith("refused")
    said = eventually(
        lambda: (seen := encrypted(admin, POLICY))["reason"] == "SidecarBypassed" and seen, what="a report"
    )
    assert f"a container in {namespace}/past bypasses the sidecar" in said["message"]
    admin.delete("pod", "past", namespace=namespace)
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict again")
