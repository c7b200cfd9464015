"""What people ask for: a mistyped policy brings a warning, and nobody asks in another's name."""

import pytest

from hack.kubectl import Kubectl, eventually
from tests.e2e.support.guards import without_stamp
from tests.e2e.support.installation import MALLORY
from tests.e2e.support.manifests import sovereign
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.every_kubernetes


def test_a_mistyped_policy_is_told_to_whoever_writes_it(admin: Kubectl, space: Space) -> None:
    label = ("label", "namespace", space(None), "--overwrite")
    said = admin.attempt(*label, "sovereignty.dev/enforce=secnumcluod")
    assert said.returncode == 0
    assert "Warning: " in said.stderr
    assert 'there is no SovereigntyPolicy "secnumcluod" yet, so no pod can start' in said.stderr
    assert admin.attempt(*label, "sovereignty.dev/enforce=secnumcloud").stderr == ""


def test_nobody_says_who_asked_but_the_api_server(admin: Kubectl, mallory: Kubectl, space: Space) -> None:
    namespace = space(None)
    forged = sovereign("app", workloadRef={"kind": "Deployment", "name": "app"})
    forged["metadata"]["annotations"] = {"audit.sovereignty.dev/requested-by": "somebody else"}

    def requester() -> str:
        mallory.apply(forged, namespace=namespace, options=["--server-side", "--force-conflicts"])
        annotations: dict[str, str] = admin.get("swl", "app", namespace)["metadata"]["annotations"]
        return annotations["audit.sovereignty.dev/requested-by"]

    assert requester() == MALLORY
    mallory.run("-n", namespace, "delete", "swl", "app")
    with without_stamp(admin):
        eventually(lambda: requester() == "somebody else", what="forgery without the stamp")
