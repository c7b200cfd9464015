"""A real application goes from plaintext to Strict and back, one side after the other, and nobody notices."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.images import public
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.conftest import Space, host_names, restore_estate
from tests.e2e.manifests import pod
from tests.e2e.peers import PYTHON
from tests.e2e.seen import audit, living_pods
from tests.e2e.sidecars import encrypted, refusal
from tests.e2e.test_identity import trusted
from tests.e2e.three_tiers import FRONT_NODE, POSTGRES, ThreeTiers
from tests.e2e.ward import change

FRONT, BACK = "hospital-front", "hospital-back"


@pytest.fixture
def policies(admin: Kubectl, cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Two policies that trust each other, and do not encrypt yet."""
    for image in (PYTHON, POSTGRES):
        cluster.load_image(public.archive(image))
    demanded = admin.get("sovereigntypolicy", "secnumcloud")["spec"]
    for name, other in ((FRONT, BACK), (BACK, FRONT)):
        kind = {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "SovereigntyPolicy", "metadata": {"name": name}}
        admin.create(kind | {"spec": demanded | {"trustedPolicies": [other]}})
    for name in (FRONT, BACK):
        eventually(lambda name=name: host_names(admin, name) == list(estate.ACCEPTED), what="accepted nodes")  # type: ignore[misc]
    yield FRONT, BACK
    admin.run("delete", "sovereigntypolicy", FRONT, BACK)


@pytest.fixture
def tiers(admin: Kubectl, policies: tuple[str, str], space: Space) -> ThreeTiers:
    """The application, which does not run yet."""
    return ThreeTiers(admin, *map(space, policies))


def ask_for(admin: Kubectl, cluster: Cluster, policy: str, mode: str) -> None:
    """Have a policy ask for a mode."""
    change(admin, policy, mode=mode, clusterNetworks=[estate.network(cluster)], quietSeconds=2)


def until(admin: Kubectl, policy: str, mode: str) -> None:
    """Wait until a policy is in a mode, and all its pods have loaded it."""

    def look() -> bool:
        seen = admin.get("sovereigntypolicy", policy)["status"]["encryption"]
        return bool(seen["mode"] == mode and seen["loaded"] == seen["pods"])

    eventually(look, seconds=90, what=f"{policy} in {mode}")


def test_it_comes_to_strict_and_back_and_nobody_notices(admin: Kubectl, cluster: Cluster, tiers: ThreeTiers) -> None:
    tiers.start()
    tiers.do_a_job()
    # Sidecars come in by one roll-out, which ends sessions as any roll-out does.
    for policy, apps in ((BACK, ["database"]), (FRONT, ["web", "visitor"])):
        ask_for(admin, cluster, policy, "Permissive")
        eventually(lambda policy=policy: encrypted(admin, policy)["reason"] == "PlaintextAccepted", what="Permissive")  # type: ignore[misc]
        tiers.restart(*apps)
    tiers.restart("visitor")
    for policy in (BACK, FRONT):
        until(admin, policy, "Permissive")
    tiers.goes_on()
    tiers.do_a_job()
    for policy in (BACK, FRONT):
        ask_for(admin, cluster, policy, "Preferred")
        until(admin, policy, "Preferred")
        tiers.goes_on()
    tiers.do_a_job()
    # What was opened before is plaintext, and Strict waits for its end.
    ask_for(admin, cluster, BACK, "Strict")
    eventually(lambda: "have open plaintext connections" in encrypted(admin, BACK)["message"], what="who is waited for")
    tiers.goes_on()
    tiers.restart("web", "visitor")

    # From here on, to the end, it is one visitor, one kept connection and one session in the database.
    for policy in (BACK, FRONT):
        ask_for(admin, cluster, policy, "Strict")
        eventually(lambda policy=policy: encrypted(admin, policy)["status"] == "True", seconds=90, what="Strict")  # type: ignore[misc]
        tiers.goes_on()
    tiers.do_a_job()
    tiers.do_jobs_on_schedule()
    for policy, mode in (
        (FRONT, "Preferred"),
        (BACK, "Preferred"),
        (BACK, "Permissive"),
        (FRONT, "Permissive"),
        (FRONT, "Off"),
        (BACK, "Off"),
    ):
        ask_for(admin, cluster, policy, mode)
        until(admin, policy, mode)
        tiers.goes_on()
    tiers.do_a_job()
    asked, failed, sessions = tiers.visits()
    assert asked > 500
    assert (failed, sessions) == (0, 1)
    # The count can be another one.
    admin.run("-n", tiers.back, "rollout", "restart", "deployment/database")
    eventually(lambda: tiers.visits()[1] > 0, seconds=90, what="a failure that is counted")


@pytest.fixture
def strict(admin: Kubectl, cluster: Cluster, tiers: ThreeTiers) -> ThreeTiers:
    """The application, in Strict from its first day."""
    for policy in (BACK, FRONT):
        ask_for(admin, cluster, policy, "Strict")
    for policy in (BACK, FRONT):
        until(admin, policy, "Strict")
    tiers.start()
    return tiers


@pytest.mark.usefixtures("changed_estate")
def test_leaf_authority_and_bundle_are_renewed_and_nobody_notices(
    admin: Kubectl, cluster: Cluster, strict: ThreeTiers
) -> None:
    def leaf() -> str:
        (web,) = living_pods(admin, strict.front, "app=web")
        return audit(web).get("certificate", "")

    def renewed(before: str) -> str:
        # A kubelet that begins anew asks for new certificates at once.
        cluster.restart_kubelet(FRONT_NODE)
        return eventually(lambda: (seen := leaf()) != before and seen, seconds=90, what="a new leaf")

    first = eventually(leaf, what="word of the certificate")
    second = renewed(first)
    strict.goes_on()
    (old,) = trusted(admin, FRONT)["lyon"]
    # An authority that would outlive what it rests on is replaced.
    ends = (datetime.now(UTC).date() + timedelta(days=20)).isoformat()
    patch = [{"op": "replace", "path": "/spec/qualifications/0/validUntil", "value": ends}]
    admin.run("patch", "cloudservice", "hexa-gouv", "--type=json", "-p", json.dumps(patch))
    eventually(lambda: trusted(admin, FRONT)["lyon"] == [old, old + 1], what="its successor in the bundle")
    strict.goes_on()
    leaves = [second]
    eventually(
        lambda: (
            leaves.append(renewed(leaves[-1])) or f"by authority.{FRONT}.lyon.{old + 1}," in leaves[-1]  # type: ignore[func-returns-value]
        ),
        seconds=120,
        what="a leaf of the successor",
    )
    strict.goes_on()
    assert strict.visits()[1:] == (0, 1)


def test_without_signer_and_injector_what_runs_goes_on_and_what_is_new_waits(
    admin: Kubectl, strict: ThreeTiers
) -> None:
    scale = ("-n", NAMESPACE, "scale", "deployment/sovereign-signer", "deployment/sovereign-injector")
    newcomer = pod("newcomer", nodeSelector={"kubernetes.io/hostname": FRONT_NODE})
    newcomer["spec"]["containers"][0] = admin.get("deployment", "visitor", strict.front)["spec"]["template"]["spec"][
        "containers"
    ][0]
    try:
        admin.run(*scale, "--replicas=0")
        eventually(
            lambda: "not encrypted: pod" in refusal(admin, newcomer, strict.front), what="refusal without an injector"
        )
        assert "the injector writes the sidecar into pods: if it is down" in refusal(admin, newcomer, strict.front)
        strict.goes_on()
        admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-injector", "--replicas=2")
        eventually(lambda: not refusal(admin, newcomer, strict.front), seconds=90, what="an injector again")
        admin.apply(newcomer, namespace=strict.front)
        strict.goes_on()
        # It has a sidecar, which has no certificate.
        state = admin.get("pod", "newcomer", strict.front)["status"]["initContainerStatuses"][0]["state"]
        assert "waiting" in state
    finally:
        admin.run(*scale, "--replicas=2")
        for name in ("signer", "injector"):
            admin.run("-n", NAMESPACE, "rollout", "status", f"deployment/sovereign-{name}", "--timeout=120s")
        restore_estate(admin)
    admin.run("-n", strict.front, "wait", "pod/newcomer", "--for=condition=Ready", "--timeout=120s")
    strict.goes_on()
    assert strict.visits()[1:] == (0, 1)
