"""What the operator reports about its guards: nothing about its own upgrades, and every change by others."""

import base64
import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE, RELEASE, helm, install
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.pki.serving import make_authority
from tests.e2e.support.guards import VALIDATING, WEBHOOKS, without_bindings
from tests.e2e.support.installation import OPTIONS, upgrade
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import condition, metric
from tests.e2e.support.sidecars import dry_run, sidecar_of
from tests.e2e.support.spaces import Space

GUARD = "sovereignty-guard-bindings"
BINDING = f"{VALIDATING}binding"
BINDING_KIND = "ValidatingAdmissionPolicyBinding"
CHANGED = ("--set", "systemNamespaces={kube-system,kube-public,kube-node-lease,elsewhere}")
"""A Helm option that changes nearly all guards."""


@pytest.fixture
def namespace(admin: Kubectl, space: Space) -> str:
    """Return a namespace with a SovereignWorkload ``app`` that is enforced."""
    name = space()
    admin.apply(
        workload("Deployment", "app"),
        sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}),
        namespace=name,
    )
    eventually(lambda: enforced(admin, name)["status"] == "True", what="enforced")
    return name


@pytest.fixture
def as_installed(admin: Kubectl, cluster: Cluster) -> Iterator[None]:
    """Let a test upgrade the chart and roll it back; restore the installation at the end, even if the test fails."""
    yield
    if is_changed(admin):
        install(cluster, *OPTIONS)


def is_changed(admin: Kubectl) -> bool:
    return "elsewhere" in str(admin.get(BINDING, GUARD)["spec"])


def enforced(admin: Kubectl, namespace: str) -> Json:
    return condition(admin, "swl", "app", "Enforced", namespace)


def warnings(admin: Kubectl) -> set[tuple[str, int]]:
    """Return the messages of all Events about broken guards, with their counts."""
    said = admin.list("events")
    return {(event["message"], event["count"]) for event in said if event["reason"] == "GuardsBroken"}


@pytest.mark.usefixtures("as_installed")
def test_an_upgrade_and_a_rollback_are_no_alarm_and_hide_none(admin: Kubectl, cluster: Cluster, namespace: str) -> None:
    """The condition's transition time would show an alarm that came and went."""
    before, said = enforced(admin, namespace), warnings(admin)
    install(cluster, *OPTIONS, *CHANGED)
    assert is_changed(admin)
    assert enforced(admin, namespace) == before
    helm(cluster, "rollback", RELEASE, "--namespace", NAMESPACE, "--no-hooks", "--wait", "--timeout", "3m")
    assert not is_changed(admin)
    assert enforced(admin, namespace) == before
    # By the time the controller reports this, it has reported all that it saw before.
    with without_bindings(admin, GUARD):
        eventually(lambda: enforced(admin, namespace)["reason"] == "GuardsBroken", what="the missing guard reported")
    news = eventually(lambda: {message for message, _ in warnings(admin) - said}, what="an Event about it")
    assert all(f"{GUARD} is missing" in message for message in news)


DRIFTS: dict[str, tuple[str, str]] = {
    "it does nothing but audit": (BINDING, '{"spec":{"validationActions":["Audit"]}}'),
    "it fails open": (VALIDATING, '{"spec":{"failurePolicy":"Ignore"}}'),
}


def told(admin: Kubectl, reason: str, *words: str) -> str:
    """Return the remedy in an Event about the controller's Deployment."""
    for event in admin.list("events", NAMESPACE):
        about = event["involvedObject"]["name"]
        if (event["reason"], about) == (reason, "sovereign-controller") and all(
            word in event["message"] for word in words
        ):
            return str(event["message"].partition("To repair it: ")[2])
    raise AssertionError(f"no Event {reason} says {words}")


@pytest.mark.parametrize(("kind", "patch"), DRIFTS.values(), ids=DRIFTS.keys())
def test_one_that_is_hollowed_out_is_told_with_its_writer_and_what_mends_it(
    admin: Kubectl, cluster: Cluster, namespace: str, kind: str, patch: str
) -> None:
    admin.run("patch", kind, GUARD, "--type=merge", "--field-manager=mallory", "-p", patch)
    try:
        seen = eventually(
            lambda: (seen := enforced(admin, namespace))["status"] == "False" and seen, what="the hollow guard reported"
        )
        assert seen["reason"] == "GuardsBroken"
        assert f"{GUARD} was changed" in seen["message"]
        mend = eventually(
            lambda: told(admin, "GuardsBroken", f"{GUARD} was changed", f"delete {kind} ", "written last by mallory"),
            what="an Event",
        )
        assert mend.startswith(f"kubectl delete {kind} {GUARD}, then helm upgrade at once")
    finally:
        admin.delete(kind, GUARD)
        upgrade(cluster, "--no-hooks")
    eventually(lambda: enforced(admin, namespace)["status"] == "True", what="enforced again")


def test_one_that_is_missing_is_told_and_helm_upgrade_puts_it_back(
    admin: Kubectl, cluster: Cluster, namespace: str
) -> None:
    admin.delete(BINDING, GUARD)
    try:
        eventually(lambda: enforced(admin, namespace)["reason"] == "GuardsBroken", what="the missing guard reported")
        assert f"{BINDING_KIND} {GUARD} is missing" in enforced(admin, namespace)["message"]
        assert "helm upgrade" in eventually(lambda: told(admin, "GuardsBroken", f"{GUARD} is missing"), what="an Event")
        eventually(lambda: metric(admin, cluster, "sovereign_guards_broken") == 1.0, what="the metric")
    finally:
        upgrade(cluster, "--no-hooks")
    eventually(lambda: enforced(admin, namespace)["status"] == "True", what="enforced again")
    eventually(lambda: metric(admin, cluster, "sovereign_guards_broken") == 0.0, what="the metric")


def test_one_that_also_audits_is_no_alarm_and_the_patch_that_it_is_told_with_mends_it(
    admin: Kubectl, cluster: Cluster, namespace: str
) -> None:
    before = enforced(admin, namespace)
    admin.run("patch", BINDING, GUARD, "--type=merge", "-p", '{"spec":{"validationActions":["Deny","Audit"]}}')
    try:
        mend = eventually(lambda: told(admin, "GuardsDrifted", f"{GUARD} also audits"), what="an Event")
        assert metric(admin, cluster, "sovereign_guards_drifted") == 1.0
        assert metric(admin, cluster, "sovereign_guards_broken") == 0.0
    finally:
        upgrade(cluster, "--no-hooks")
    # Helm leaves alone what another client added.
    assert admin.get(BINDING, GUARD)["spec"]["validationActions"] == ["Deny", "Audit"]
    program, *arguments = shlex.split(mend.partition(". ")[0])
    assert program == "kubectl"
    admin.run(*arguments)
    assert admin.get(BINDING, GUARD)["spec"]["validationActions"] == ["Deny"]
    eventually(lambda: metric(admin, cluster, "sovereign_guards_drifted") == 0.0, what="the metric")
    assert enforced(admin, namespace) == before


def test_one_that_was_gone_for_a_moment_is_told(admin: Kubectl, namespace: str) -> None:
    """The guard is missing for long enough to create a pod."""
    name = "sovereignty-guard-nodes"
    with without_bindings(admin, name):
        pass
    assert eventually(lambda: told(admin, "GuardsBroken", f"{name} is missing"), what="an Event")
    eventually(lambda: enforced(admin, namespace)["status"] == "True", what="the status that all is well again")


def test_a_webhook_that_is_changed_is_told_and_helm_upgrade_puts_it_back(
    admin: Kubectl, cluster: Cluster, namespace: str, space: Space, transit: str
) -> None:
    """A webhook's rules decide which requests it sees and may change."""
    kind, thief = "mutatingwebhookconfiguration", make_authority(("thief",), datetime.now(UTC))
    bundle = base64.b64encode(thief.certificate_pem).decode()
    widen = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["*"]}]
    trust = [{"op": "replace", "path": "/webhooks/1/clientConfig/caBundle", "value": bundle}]
    try:
        for patch, says in (
            (trust, "trusts another certificate authority than the injector's"),
            (widen, "was changed"),
        ):
            admin.run("patch", kind, WEBHOOKS, "--type=json", "--field-manager=mallory", "-p", json.dumps(patch))
            mend = eventually(
                lambda: told(admin, "GuardsBroken", f"{WEBHOOKS} {says}", "written last by mallory"),  # noqa: B023
                what="an Event",
            )
        eventually(
            lambda: f"{WEBHOOKS} was changed" in enforced(admin, namespace)["message"], what="it at the workload"
        )
        assert mend.startswith(f"kubectl delete {kind} {WEBHOOKS}, then helm upgrade at once")
    finally:
        admin.delete(kind, WEBHOOKS)
        upgrade(cluster)
    eventually(lambda: enforced(admin, namespace)["status"] == "True", what="enforced again")
    eventually(lambda: sidecar_of(dry_run(admin, pod("app"), space(transit))), what="a sidecar")
