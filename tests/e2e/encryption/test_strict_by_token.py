"""While no signer runs, sidecars that ask with a token go on with what they have, and new ones wait for its return."""

import pytest

from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.sidecar.contract import CONTAINER
from tests.e2e.support.processes import without
from tests.e2e.support.strict_pods import ASK, python, ready, run
from tests.e2e.support.ways import asking

pytestmark = pytest.mark.older_kubernetes


def sidecar_log(admin: Kubectl, namespace: str, name: str) -> str:
    """Return what the sidecar of a pod has logged. Raises KubectlError before it has started."""
    return admin.run("-n", namespace, "logs", name, "-c", CONTAINER)


def state(admin: Kubectl, namespace: str, name: str, container: str) -> Json:
    """Return the status of a container. Raises LookupError before there is one."""
    status = admin.get("pod", name, namespace)["status"]
    statuses = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    found: Json = {each["name"]: each for each in statuses}[container]
    return found


def test_a_running_sidecar_goes_on_without_a_signer_and_a_new_one_waits_for_it(
    admin: Kubectl, ward: tuple[str, str]
) -> None:
    namespace, host = ward
    with without(admin, "signer"):
        admin.apply(python("newer", "lyon-1"), namespace=namespace)
        eventually(
            lambda: "no answer from the signer" in sidecar_log(admin, namespace, "newer"),
            what="a sidecar that says what it waits for",
        )
        assert "waiting" in state(admin, namespace, "newer", "idle")["state"]
        # In Strict, a new connection needs the certificates of both.
        assert run(admin, namespace, "client", ASK, host) == "answered"
    # It asks again by itself.
    ready(admin, namespace, "newer")
    assert asking(admin.get("pod", "newer", namespace)) == "sidecar"
    eventually(lambda: run(admin, namespace, "newer", ASK, host) == "answered", what="a first answer")
    assert run(admin, namespace, "client", ASK, host) == "answered"
    for name in ("server", "client", "newer"):
        assert state(admin, namespace, name, CONTAINER)["restartCount"] == 0
