"""A real application goes from plaintext to Strict and back, one policy after the other, without a failed request."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from hack import estate
from hack.cluster import Cluster
from hack.images import public
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from sovereign_operator.core.encryption.disconnects import TrustedAnchor
from sovereign_operator.core.sidecar.contract import IDENTITY_FOLDER, TRUSTED
from sovereign_operator.pki import bundle
from tests.e2e.support.certificates import requests, signed_by, trusted
from tests.e2e.support.estate import restore_estate, until_in_force
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import living_pods
from tests.e2e.support.peers import IMAGES, PYTHON, Asker
from tests.e2e.support.pod_processes import processes_of
from tests.e2e.support.shifted_clock import shifted
from tests.e2e.support.sidecars import disconnects, encrypted, refusal
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import change
from tests.e2e.support.three_tiers import BACK_NODE, FRONT_NODE, POSTGRES, ThreeTiers
from tests.e2e.support.three_tiers_programs import DB_PORT, WEB_PORT

FRONT, BACK = "hospital-front", "hospital-back"
PROCESSES = "app.kubernetes.io/component in (signer,injector)"


@pytest.fixture
def policies(admin: Kubectl, cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Two policies that trust each other, and do not encrypt yet."""
    for image in (PYTHON, POSTGRES):
        cluster.load_image(public.archive(image))
    for name, other in ((FRONT, BACK), (BACK, FRONT)):
        admin.create(estate.policy(admin, name, trustedPolicies=[other]))
    for name in (FRONT, BACK):
        until_in_force(admin, name)
    yield FRONT, BACK
    admin.run("delete", "sovereigntypolicy", FRONT, BACK)


@pytest.fixture
def tiers(admin: Kubectl, policies: tuple[str, str], space: Space) -> ThreeTiers:
    """The application, not yet started."""
    return ThreeTiers(admin, *map(space, policies))


def ask_for(admin: Kubectl, cluster: Cluster, policy: str, mode: str) -> None:
    """Set a policy's mode."""
    change(admin, policy, mode=mode, clusterNetworks=[estate.network(cluster), estate.IPV6_NETWORK], quietSeconds=2)


def until(admin: Kubectl, policy: str, mode: str) -> None:
    """Wait until a policy is in a mode, and all its pods have loaded it."""

    def look() -> bool:
        seen = admin.get("sovereigntypolicy", policy)["status"]["encryption"]
        return bool(seen["mode"] == mode and seen["loaded"] == seen["pods"])

    eventually(look, seconds=90, what=f"{policy} in {mode}")


def test_it_comes_to_strict_and_back_and_nobody_notices(admin: Kubectl, cluster: Cluster, tiers: ThreeTiers) -> None:
    tiers.start()
    tiers.do_a_job()
    # Adding the sidecars takes one roll-out, which ends sessions as any roll-out does.
    for policy, apps in ((BACK, ["database"]), (FRONT, ["web", "visitor", "clerk"])):
        ask_for(admin, cluster, policy, "Permissive")
        eventually(lambda policy=policy: encrypted(admin, policy)["reason"] == "PlaintextAccepted", what="Permissive")  # type: ignore[misc]
        tiers.restart(*apps)
    for policy in (BACK, FRONT):
        until(admin, policy, "Permissive")
    tiers.goes_on()
    tiers.do_a_job()
    for policy in (BACK, FRONT):
        ask_for(admin, cluster, policy, "Preferred")
        until(admin, policy, "Preferred")
        tiers.goes_on()
    tiers.do_a_job()
    # Connections that were opened earlier are in plaintext, and Strict waits until they end.
    ask_for(admin, cluster, BACK, "Strict")
    eventually(lambda: "have open plaintext connections" in encrypted(admin, BACK)["message"], what="who is waited for")
    tiers.goes_on()
    tiers.restart("web", "visitor", "clerk")

    # From here to the end there is one visitor and one clerk, and each keeps one connection; the web server keeps one
    # database session.
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
    assert min(tiers.queries()) > 100
    assert (failed, sessions, tiers.failures()) == (0, 1, [])
    # Failures are indeed counted.
    admin.run("-n", tiers.back, "scale", "deployment/database", "--replicas=0")
    expected = {"visitor: failed kept", "visitor: failed new", "clerk: failed kept", "clerk: failed new"}
    eventually(
        lambda: expected <= {" ".join(line.split()[:3]) for line in tiers.failures()}, seconds=90, what="all to fail"
    )


@pytest.fixture
def strict(admin: Kubectl, cluster: Cluster, tiers: ThreeTiers) -> ThreeTiers:
    """The application, in Strict from the start."""
    for policy in (BACK, FRONT):
        ask_for(admin, cluster, policy, "Strict")
    for policy in (BACK, FRONT):
        until(admin, policy, "Strict")
    tiers.start()
    return tiers


@dataclass(frozen=True)
class Shown:
    """What a sidecar shows to a client that begins mutual TLS, and what its pod has."""

    serial: int
    """The serial number of its certificate."""
    issuer: str
    trusted: frozenset[str]
    """Names of the authorities in the pod, which a sidecar tells no client."""


def name_of(policy: str | None, datacentre: str | None, number: object) -> str:
    """Return the name of an authority."""
    return f"O = sovereignty.dev, OU = {policy}, CN = {datacentre}, serialNumber = {number}"


def shown(admin: Kubectl, cluster: Cluster, namespace: str, app: str, port: int) -> Shown:
    """Begin mutual TLS with the sidecar of an application, and return what the sidecar shows."""
    (pod,) = living_pods(admin, namespace, f"app={app}")
    connect = f"openssl s_client -connect {pod['status']['podIP']}:{port} -alpn sovereign/1 -tls1_3 </dev/null 2>&1"
    said = cluster.node_exec("nantes-1", ["sh", "-c", connect]).stdout
    assert "BEGIN CERTIFICATE" in said, said
    certificate = x509.load_pem_x509_certificate(said.encode())
    issuer = re.search(r"^issuer=(.*)$", said, re.MULTILINE)
    assert "No client certificate CA names sent" in said, said
    (envoy,) = processes_of(pod["metadata"]["uid"], "envoy")
    mounted = (envoy / "root" / IDENTITY_FOLDER.lstrip("/") / TRUSTED).read_text()
    anchors = (name_of(anchor.policy, anchor.datacentre, anchor.number) for anchor in bundle.read(mounted))
    return Shown(certificate.serial_number, issuer[1] if issuer else "", frozenset(anchors))


def one_recorded(admin: Kubectl, policy: str) -> TrustedAnchor:
    """Return the only CA of Lyon that the controller has recorded as trusted by a policy's sidecars."""
    found = [anchor for anchor in disconnects(admin, policy).trusted if anchor.pair == f"{policy}/lyon"]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def asker(admin: Kubectl, cluster: Cluster, space: Space) -> Asker:
    """A pod without a sidecar that speaks TLS itself, on the node of the front."""
    cluster.load_image(public.archive_all(IMAGES))
    return Asker(admin, space())


@pytest.mark.usefixtures("changed_estate")
def test_leaf_authority_and_bundle_are_renewed_and_nobody_notices(
    admin: Kubectl, cluster: Cluster, strict: ThreeTiers, asker: Asker
) -> None:
    def web() -> Shown:
        return shown(admin, cluster, strict.front, "web", WEB_PORT)

    def database() -> Shown:
        return shown(admin, cluster, strict.back, "database", DB_PORT)

    def renewed(show: Callable[[], Shown], node: str) -> Shown:
        before = show().serial
        # A kubelet that restarts requests new certificates at once.
        cluster.restart_kubelet(node)
        return eventually(lambda: (now := show()).serial != before and now, seconds=90, what="a new leaf, in use")

    def goes_on() -> None:
        strict.goes_on()
        asker.goes_on()

    (number,) = trusted(admin, FRONT)["lyon"]
    old, successor = name_of(FRONT, "lyon", number), name_of(FRONT, "lyon", number + 1)
    (asked_of,) = trusted(admin)["lyon"]
    first = eventually(asker.certificate, what="word of the certificate")
    for show, node in ((web, FRONT_NODE), (database, BACK_NODE)):
        assert old in renewed(show, node).trusted
        goes_on()
    eventually(lambda: asker.certificate() != first, seconds=90, what="a new leaf")

    # An authority that would outlive the qualification that it rests on is replaced.
    ends = (datetime.now(UTC).date() + timedelta(days=20)).isoformat()
    patch = [{"op": "replace", "path": "/spec/qualifications/0/validUntil", "value": ends}]
    admin.run("patch", "cloudservice", "hexa-gouv", "--type=json", "-p", json.dumps(patch))
    for show in (web, database):
        eventually(lambda show=show: {old, successor} <= show().trusted, seconds=120, what="trust in both")  # type: ignore[misc]
    eventually(lambda: trusted(admin)["lyon"] == [asked_of, asked_of + 1], what="its successor in the bundle")
    goes_on()
    assert web().issuer == old
    # The bundle has had time to reach all pods before the successor signs.
    eventually(
        lambda: (
            renewed(web, FRONT_NODE).issuer == successor
            # One request may come before the signer's switch, and the next after it.
            and set(signed_by(admin, strict.front).values()) == {number + 1}
            and f"by authority.secnumcloud.lyon.{asked_of + 1}," in asker.certificate()
        ),
        seconds=120,
        what="leaves that the successors signed",
    )
    goes_on()

    # A day later no certificate of the old authority is valid, and it leaves the bundle.
    before = [disconnects(admin, policy).number for policy in (FRONT, BACK)]
    with shifted(admin, cluster, deployments=("sovereign-controller", "sovereign-signer")) as server:
        server.now = datetime.now(UTC) + timedelta(hours=25)
        for show in (web, database):
            eventually(lambda show=show: old not in show().trusted, seconds=120, what="trust in the new one alone")  # type: ignore[misc]
        eventually(lambda: trusted(admin)["lyon"] == [asked_of + 1], seconds=90, what="the old one out")
        assert successor in database().trusted
        for policy in (FRONT, BACK):
            # Had the controller taken this for a CA withdrawn early, it would have ended all connections first.
            eventually(lambda policy=policy: one_recorded(admin, policy), what="the controller's record of one CA")  # type: ignore[misc]
        goes_on()
    goes_on()
    assert [disconnects(admin, policy).number for policy in (FRONT, BACK)] == before
    assert strict.visits()[1:] == (0, 1)
    assert asker.so_far()[0] > 200


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
        admin.run("-n", NAMESPACE, "delete", "pods", "-l", PROCESSES, "--force", "--grace-period=0")
        eventually(
            lambda: "not encrypted: pod" in refusal(admin, newcomer, strict.front), what="refusal without an injector"
        )
        assert "the injector writes the sidecar into pods: if it is down" in refusal(admin, newcomer, strict.front)
        strict.goes_on()
        admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-injector", "--replicas=2")
        eventually(lambda: not refusal(admin, newcomer, strict.front), seconds=90, what="an injector again")
        admin.apply(newcomer, namespace=strict.front)
        strict.goes_on()
        # The new pod's sidecar waits for a certificate, and its application for the sidecar.
        eventually(lambda: requests(admin, strict.front, "newcomer"), what="a request")
        strict.goes_on()
        (request,) = requests(admin, strict.front, "newcomer")
        assert not request.get("status", {}).get("conditions")
        status = admin.get("pod", "newcomer", strict.front)["status"]
        states = [found["state"] for found in (*status["initContainerStatuses"], *status["containerStatuses"])]
        assert [key for state in states for key in state] == ["waiting"] * 2
    finally:
        admin.run(*scale, "--replicas=2")
        for name in ("signer", "injector"):
            admin.run("-n", NAMESPACE, "rollout", "status", f"deployment/sovereign-{name}", "--timeout=120s")
        restore_estate(admin)
    admin.run("-n", strict.front, "wait", "pod/newcomer", "--for=condition=Ready", "--timeout=120s")
    strict.goes_on()
    assert strict.visits()[1:] == (0, 1)
