"""A Job that a SovereignWorkload owns runs once, whatever deletes it afterwards."""

import pytest

from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.manifests import pod_spec, sovereign
from tests.e2e.support.observed import condition
from tests.e2e.support.spaces import Space


def migration(command: str = "true") -> dict[str, object]:
    """Return a template of a Job that ends, and is deleted at once."""
    spec = pod_spec(restartPolicy="Never")
    spec["containers"][0]["command"] = [command]
    return {"kind": "Job", "spec": {"ttlSecondsAfterFinished": 0, "backoffLimit": 0, "template": {"spec": spec}}}


def runs(admin: Kubectl, namespace: str) -> int:
    """Return how many pods the Jobs of a namespace have created."""
    return sum(
        event.get("count") or 1
        for event in admin.list("events", namespace)
        if (event["reason"], event["involvedObject"]["kind"]) == ("SuccessfulCreate", "Job")
    )


def gone(admin: Kubectl, namespace: str) -> bool:
    """Return whether a Job ran and was deleted."""
    return runs(admin, namespace) > 0 and not admin.list("jobs", namespace)


def look_again(admin: Kubectl, namespace: str) -> None:
    """Make the controller reconcile every SovereignWorkload of a namespace, and wait until it has."""
    admin.apply(sovereign("new", workloadRef={"kind": "Deployment", "name": "none"}), namespace=namespace)
    eventually(lambda: condition(admin, "swl", "new", "Ready", namespace), what="another look")


@pytest.mark.parametrize(
    ("command", "expected"), [("true", ("True", "JobComplete")), ("false", ("False", "JobFailed"))]
)
def test_it_is_not_run_again_when_its_ttl_removes_it(
    admin: Kubectl, space: Space, command: str, expected: tuple[str, str]
) -> None:
    namespace = space()
    admin.apply(sovereign("migrate", template=migration(command)), namespace=namespace)
    eventually(lambda: gone(admin, namespace), what="the Job ran and was removed")
    ready = eventually(
        lambda: (
            "not created again" in (seen := condition(admin, "swl", "migrate", "Ready", namespace))["message"] and seen
        ),
        what="it is said to be done",
    )
    assert (ready["status"], ready["reason"]) in (expected, ("Unknown", "JobGone"))
    look_again(admin, namespace)
    assert runs(admin, namespace) == 1
    # A changed template is run again.
    admin.apply(sovereign("migrate", template=migration("date")), namespace=namespace)
    eventually(lambda: runs(admin, namespace) == 2, what="a run of the other template")


@pytest.mark.usefixtures("changed_estate")
def test_it_is_not_run_again_if_it_ended_while_no_controller_ran(admin: Kubectl, space: Space) -> None:
    namespace = space()
    template = migration()
    template["spec"]["suspend"] = True  # type: ignore[index]
    admin.apply(sovereign("migrate", template=template), namespace=namespace)
    eventually(lambda: admin.get("swl", "migrate", namespace)["status"]["run"]["uid"], what="the Job was seen")
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-controller", "--replicas=0")
    eventually(lambda: not admin.list("pods", NAMESPACE, CONTROLLER_PODS), what="no controller")
    admin.run("-n", namespace, "patch", "job", "migrate", "-p", '{"spec":{"suspend":false}}')
    eventually(lambda: gone(admin, namespace), what="the Job ran and was removed")
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-controller", "--replicas=1")
    ready = eventually(
        lambda: (seen := condition(admin, "swl", "migrate", "Ready", namespace))["reason"] == "JobGone" and seen,
        what="the Job is known to be gone",
    )
    assert "to run it again, change spec.template" in ready["message"]
    look_again(admin, namespace)
    assert runs(admin, namespace) == 1
