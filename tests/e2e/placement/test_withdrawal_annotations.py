"""What a pod's annotations say when its node or its policy is no longer what it was."""

import pytest

from hack import estate
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.estate import set_status
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import audit
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.usefixtures("changed_estate")


def test_what_nobody_vouches_for_is_not_said(admin: Kubectl, space: Space) -> None:
    """Pods of a deleted policy, or of a namespace that left it, no longer carry an accepting verdict."""
    admin.apply(estate.policy(admin, "passing"))
    namespace = space(None)
    admin.create(pod("old"), namespace)
    admin.run("-n", namespace, "wait", "pod/old", "--for=condition=Ready", "--timeout=60s")
    admin.run("label", "namespace", namespace, "sovereignty.dev/enforce=passing")
    eventually(lambda: admin.create(pod("new"), namespace), what="a pod in scope")

    def said(name: str) -> str:
        verdict: str = audit(admin.get("pod", name, namespace))["verdict"]
        return verdict

    eventually(lambda: said("new").startswith("accepted"), what="a verdict on a new pod")
    eventually(lambda: said("old"), what="a verdict on an old pod")
    admin.delete("sovereigntypolicy", "passing")
    for name in ("new", "old"):
        eventually(lambda: said(name) == UNKNOWN, what="nobody vouches for it")  # noqa: B023 - called at once
    admin.run("label", "namespace", namespace, "sovereignty.dev/enforce-")
    for name in ("new", "old"):
        eventually(lambda: not audit(admin.get("pod", name, namespace)), what="nothing said")  # noqa: B023


UNKNOWN = "unknown: there is no SovereigntyPolicy passing, or it cannot be read: nobody vouches for where this pod runs"


def test_audit_annotations_follow_the_verdict(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.create(pod("one"), namespace)
    found = eventually(
        lambda: "decision-id" in (seen := audit(admin.get("pod", "one", namespace))) and seen, what="annotations"
    )
    bound = admin.get("pod", "one", namespace)["spec"]["nodeName"]
    service = {"brest-1": "armor-snc", "lyon-1": "hexa-gouv"}[bound]
    decision = {"brest-1": "EX-101", "lyon-1": "EX-201"}[bound]
    assert found["datacentre"] == bound.removesuffix("-1")
    assert (found["policy"], found["service"], found["evidence"]) == ("secnumcloud", service, "Declared")
    assert f"SecNumCloud 3.2 (decision {decision})" in found["qualification"]
    assert found["node-uid"] == admin.get("node", bound)["metadata"]["uid"]
    assert found["verdict"].startswith("accepted")
    log = admin.run("-n", NAMESPACE, "logs", "-l", CONTROLLER_PODS, "--tail=-1")
    assert f'"decision": "{found["decision-id"]}"' in log

    set_status(admin, service, "Withdrawn")
    later = eventually(
        lambda: (seen := audit(admin.get("pod", "one", namespace)))["verdict"].startswith("refused") and seen,
        what="the new verdict on the pod",
    )
    assert "was withdrawn" in later["verdict"]
    assert later["decision-id"] != found["decision-id"]
    assert "qualification" not in later
