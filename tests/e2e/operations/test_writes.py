"""What the controller writes, in which order, and when it tries again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from hack import audit_log
from hack.cluster import Cluster
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.controller.reconcile.pace import PACE
from tests.e2e.support.estate import host_names, set_status
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import audit, condition, events
from tests.e2e.support.spaces import Space

ACCOUNT = "sovereign-controller"
PERIODICAL = ("leases", "customresourcedefinitions")
"""What it asks for all the time: the Lease it renews, and of its CRDs it reads the metadata."""
SILENT_SECONDS = 7
"""Longer than the controller waits before it counts pods or writes a status again."""
PACED_SECONDS = PACE.total_seconds() + SILENT_SECONDS
"""Longer than a status may wait before it says what is new of pods."""


def occasional_requests(cluster: Cluster, since: int, former: frozenset[str] = frozenset()) -> list[Json]:
    """Return the controller's requests after a position, but the periodical ones and those of ``former`` pods."""
    return [
        entry
        for entry in audit_log.requests_of(cluster, ACCOUNT, since)
        if audit_log.target(entry) not in PERIODICAL
        and not former.intersection(entry["user"]["extra"][audit_log.OF_A_POD])
    ]


def wait_until_silent(cluster: Cluster, since: int, former: frozenset[str] = frozenset()) -> None:
    """Wait until the controller has sent none but periodical requests for a while."""
    eventually(
        lambda: audit_log.silent_for(occasional_requests(cluster, since, former)) > SILENT_SECONDS,
        seconds=120,
        what="a controller that sends nothing",
        pause=0.5,
    )


def led_for(admin: Kubectl) -> float:
    """Return for how many seconds the same controller has held the Lease; 0 if it does not renew it any more."""
    lease = admin.get("lease", "sovereign-controller", NAMESPACE)["spec"]
    now = datetime.now(UTC)
    acquired, renewed = (now - datetime.fromisoformat(lease[f"{what}Time"]) for what in ("acquire", "renew"))
    expired = renewed.total_seconds() > lease["leaseDurationSeconds"]
    return 0 if expired else acquired.total_seconds()


def policy_statuses(admin: Kubectl) -> dict[str, Json]:
    """Return the status of each policy."""
    return {found["metadata"]["name"]: found["status"] for found in admin.list("sovereigntypolicies")}


def differences(before: dict[str, Json], after: dict[str, Json]) -> Json:
    """Return the fields of statuses that differ, each with both values."""
    return {
        f"{name}.{field}": (before.get(name, {}).get(field), after.get(name, {}).get(field))
        for name in before.keys() | after.keys()
        for field in before.get(name, {}).keys() | after.get(name, {}).keys()
        if before.get(name, {}).get(field) != after.get(name, {}).get(field)
    }


@pytest.fixture
def encrypting(admin: Kubectl, space: Space, transit: str) -> str:
    """Return a namespace whose pods have loaded their policy's mode, and whose workload is reported on."""
    namespace = space(transit)
    admin.apply(
        workload("Deployment", "app"),
        sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}),
        namespace=namespace,
    )
    eventually(
        lambda: condition(admin, "swl", "app", "Encrypted", namespace)["reason"] == "PlaintextAccepted",
        seconds=90,
        what="sidecars that have loaded Permissive",
    )
    return namespace


@pytest.fixture
def settled(admin: Kubectl, cluster: Cluster, space: Space) -> int:
    """Have a workload placed and reported on. Return the audit log's position before that, once all is written."""
    namespace, begun = space(), audit_log.position(cluster)
    admin.apply(
        workload("Deployment", "app"),
        sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}),
        namespace=namespace,
    )
    eventually(lambda: condition(admin, "swl", "app", "Ready", namespace)["status"] == "True", what="ready")
    wait_until_silent(cluster, begun)
    return begun


@pytest.mark.usefixtures("changed_estate", "settled")
def test_a_suspension_writes_roles_before_anything_else(admin: Kubectl, cluster: Cluster) -> None:
    begun = audit_log.position(cluster)
    set_status(admin, "hexa-gouv", "Suspended")
    eventually(lambda: host_names(admin, "secnumcloud") == ["brest-1"], what="the role without lyon-1")
    wait_until_silent(cluster, begun)
    writes = audit_log.writes_in(occasional_requests(cluster, begun))
    roles = [entry for entry in writes if audit_log.target(entry) == "clusterroles"]
    # The signer withdraws an authority meanwhile. Pods and SovereignWorkloads show that, too, once it is observed.
    followed = ("nodes", *(f"{plural}/status" for plural in ("cloudservices", "datacentres", "sovereigntypolicies")))
    others = [entry for entry in writes if audit_log.target(entry) in followed]
    assert {"nodes", "datacentres/status"} <= set(map(audit_log.target, others))
    assert max(map(audit_log.answered, roles)) <= min(map(audit_log.received, others))


@pytest.mark.usefixtures("encrypting")
def test_a_restart_writes_nothing_but_the_lease(admin: Kubectl, cluster: Cluster, settled: int) -> None:
    former = frozenset(pod["metadata"]["name"] for pod in admin.list("pods", NAMESPACE, CONTROLLER_PODS))
    # A new controller writes at once what the old one was still to write of pods, and what happened without a leader.
    eventually(
        lambda: (
            audit_log.silent_for(audit_log.writes_in(occasional_requests(cluster, settled))) > PACED_SECONDS
            and led_for(admin) > PACED_SECONDS
        ),
        seconds=300,
        what="a controller that leads and writes nothing",
        pause=0.5,
    )
    statuses = policy_statuses(admin)
    begun = audit_log.position(cluster)
    admin.delete("pods", "-l", CONTROLLER_PODS, namespace=NAMESPACE)
    admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-controller", "--timeout=90s")
    eventually(
        lambda: (
            {"nodes", "sovereignworkloads"} <= set(map(audit_log.target, occasional_requests(cluster, begun, former)))
        ),
        what="a new controller that reads",
    )
    wait_until_silent(cluster, begun, former)
    assert differences(statuses, policy_statuses(admin)) == {}
    requests = occasional_requests(cluster, begun, former)
    assert not [
        (audit_log.target(entry), entry["verb"], entry["requestURI"]) for entry in audit_log.writes_in(requests)
    ]


@contextmanager
def refusing_audit_annotations(admin: Kubectl, namespace: str) -> Iterator[None]:
    """Have an admission policy of somebody else refuse audit annotations in a namespace."""
    name = f"no-audit-in-{namespace}"
    kind = {"apiVersion": "admissionregistration.k8s.io/v1"}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["UPDATE"]}
    expression = (
        "!object.metadata.?annotations.orValue({}).exists(key, key.matches('^(audit[.]sovereignty|probe[.]example)'))"
    )
    policy = {
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "resourceRules": [pods],
        },
        "validations": [{"expression": expression, "message": "this namespace takes no audit annotations"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    admin.apply(
        kind | {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": policy},
        kind | {"kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding},
    )
    try:
        refused = ("-n", namespace, "annotate", "pods", "probe", "probe.example.org/x=y", "--dry-run=server")
        eventually(lambda: "takes no audit annotations" in admin.attempt(*refused).stderr, what="a policy in effect")
        yield
    finally:
        admin.delete("validatingadmissionpolicybinding", name)
        admin.delete("validatingadmissionpolicy", name)


def test_a_refused_annotation_is_written_once_nobody_refuses_it(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    """Nothing about the pod changes then, so the controller has to try again by itself."""
    namespace = space()
    admin.create(pod("probe"), namespace)
    eventually(lambda: audit(admin.get("pod", "probe", namespace)), what="a pod with audit annotations")
    with refusing_audit_annotations(admin, namespace):
        begun = audit_log.position(cluster)
        admin.create(pod("one"), namespace)
        refusal = eventually(lambda: events(admin, namespace, "one").get("NotWritten"), what="an Event")
        assert "takes no audit annotations" in refusal
        admin.run("-n", namespace, "wait", "pod/one", "--for=condition=Ready", "--timeout=60s")
        wait_until_silent(cluster, begun)
        assert not audit(admin.get("pod", "one", namespace))
    eventually(lambda: audit(admin.get("pod", "one", namespace)), seconds=90, what="the annotations")
