"""The controller's access: it has no privileges, and the processes have the rights that they use and no others."""

from itertools import product

import pytest

from hack import audit_log
from hack.cluster import Cluster
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.manifests import sovereign, workload
from tests.e2e.support.observed import condition, living_pods
from tests.e2e.support.spaces import Space

PROCESSES = ("sovereign-controller", "sovereign-injector", "sovereign-seed", "sovereign-signer")


def test_it_runs_without_privileges(admin: Kubectl) -> None:
    for running in living_pods(admin, NAMESPACE, CONTROLLER_PODS):
        (container,) = running["spec"]["containers"]
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not context["allowPrivilegeEscalation"]
        assert running["spec"]["securityContext"]["runAsNonRoot"]
        # If a test has restarted its node, the kubelet reports that a container ended for an unknown reason.
        ended = running["status"]["containerStatuses"][0].get("lastState", {}).get("terminated", {})
        assert ended.get("reason", "Unknown") == "Unknown", ended
    admitted = admin.run(
        "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted", "--dry-run=server"
    )
    assert "violate" not in admitted


@pytest.mark.last
def test_it_was_never_refused_anything(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    """The processes have all rights that they need: after all tests, no request of theirs was forbidden."""
    namespace = space(None)
    admin.apply(
        workload("DaemonSet", "app"),
        sovereign("app", policy="secnumcloud", workloadRef={"kind": "DaemonSet", "name": "app"}),
        namespace=namespace,
    )
    eventually(lambda: condition(admin, "swl", "app", "Ready", namespace)["status"] == "True", what="ready")
    requests = [entry for process in PROCESSES for entry in audit_log.requests_of(cluster, process)]
    assert len(requests) > 100
    forbidden = {
        (entry["verb"], entry["requestURI"].partition("?")[0])
        for entry in requests
        if entry.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    }
    # During a migration of keys the signer may list them before or after it has the right to do so.
    assert forbidden <= {("list", f"/api/v1/namespaces/{NAMESPACE}/secrets")}
    # The guards refused none of their requests either, except where a test had filled an object. During an upgrade, the
    # seed may meet the guard of the former version.
    said = {entry.get("responseStatus", {}).get("message", "") for entry in requests}
    meant = ("sovereignty-guard-seed", "denied request: too many labels or annotations: ")
    assert not {text for text in said if "sovereignty-guard" in text and not any(words in text for words in meant)}


@pytest.mark.last
@pytest.mark.parametrize("process", PROCESSES)
def test_every_right_that_it_has_is_used(admin: Kubectl, cluster: Cluster, process: str) -> None:
    """A right that no process uses in any test should not be granted."""
    granted = set()
    for rule in admin.get("clusterrole", process)["rules"] + admin.get("role", process, NAMESPACE)["rules"]:
        groups, resources = rule.get("apiGroups", [""]), rule.get("resources", []) + rule.get("nonResourceURLs", [])
        granted |= set(product(groups, resources, rule["verbs"]))
    used = {
        (audit_log.group(entry), audit_log.target(entry), entry["verb"])
        for entry in audit_log.requests_of(cluster, process)
    }
    # The controller holds these only because it may not grant rights that it does not hold. The API server checks the
    # signer's when the signer writes certificates and bundles.
    held = {("sovereignty.dev", "nodes", "host")}
    held |= {("sovereignty.dev", "namespaces", "certify")}
    held |= {
        ("sovereignty.dev", "sovereigntypolicies", verb)
        for verb in ("enforce", "host", "encrypt", "certify", "avoid", "serve")
    }
    held |= {("certificates.k8s.io", "signers", verb) for verb in ("sign", "attest")}
    # A server-side apply that creates an object is logged as a patch, and needs both rights.
    applied = {(group, resource, "create") for group, resource, verb in used if verb == "patch"}
    unused = granted - used - held - applied
    assert not unused
