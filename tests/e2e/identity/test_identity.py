"""A certificate proves where a pod runs: only pods on accepted nodes get one, and peers accept no other."""

from collections.abc import Iterator

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.install import KEYS, NAMESPACE, TRUST_DOMAIN
from hack.kubectl import Kubectl, eventually
from tests.documents import CERTIFICATES, blocks
from tests.e2e.support.certificates import FORGE, POLICY, bundle_text, requests, trusted
from tests.e2e.support.estate import set_status
from tests.e2e.support.guards import force
from tests.e2e.support.manifests import sovereign, workload
from tests.e2e.support.observed import audit, condition, events
from tests.e2e.support.peers import (
    IMAGES,
    NGINX,
    OPENSSL,
    address,
    ask,
    config,
    pair,
    peer_pod,
    server_pod,
    volumes,
)
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture(scope="module")
def images(cluster: Cluster) -> None:
    """Load the peers' images on the nodes."""
    cluster.load_image(public.archive_all(IMAGES))


def test_two_pods_in_two_datacentres_trust_each_other_and_say_where_they_run(admin: Kubectl, space: Space) -> None:
    namespace = space()
    host = pair(admin, namespace)
    who = f"spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/default"
    assert ask(admin, namespace, "client", host) == f"server {who} brest; client {who} lyon"
    said = eventually(lambda: audit(admin.get("pod", "client", namespace)).get("certificate"), what="word of it")
    assert "policy secnumcloud, datacentre lyon, by authority.secnumcloud.lyon." in said


def test_the_recipe_for_nginx_works(admin: Kubectl, space: Space) -> None:
    namespace = space()
    (recipe,) = blocks(CERTIFICATES, "nginx")
    nginx = peer_pod("server", "brest-1", "nginx", "-g", "daemon off;", image=NGINX)
    nginx["spec"]["containers"][0]["volumeMounts"].append({"name": "sites", "mountPath": "/etc/nginx/conf.d"})
    nginx["spec"]["volumes"].append({"name": "sites", "configMap": {"name": "sites"}})
    sites = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sites"}, "data": {"peer.conf": recipe}}
    admin.apply(config(), sites, nginx, peer_pod("client", "lyon-1"), namespace=namespace)
    host = address(admin, namespace, "server")
    address(admin, namespace, "client")
    program = (
        "import sys; sys.path.insert(0, '/peer'); import recipe\n"
        f"with recipe.connect('{host}', 8443) as c:\n"
        "    c.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(b''.join(iter(lambda: c.recv(9999), b'')).decode())"
    )
    said = eventually(
        lambda: admin.run("-n", namespace, "exec", "client", "--", "python3", "-c", program), what="an answer"
    )
    assert "you run in " in said
    assert "CN=lyon" in said
    assert "OU=secnumcloud" in said


WRONG = {
    "no certificate": (("bare",), "certificate required"),
    "a certificate of another trust domain": (("untrusting", "forged"), "unknown ca"),
}


@pytest.mark.parametrize(("how", "why"), WRONG.values(), ids=WRONG.keys())
def test_who_cannot_show_one_is_refused(
    admin: Kubectl, space: Space, cluster: Cluster, how: tuple[str, ...], why: str
) -> None:
    namespace = space()
    host = pair(admin, namespace)
    forged = cluster.node_exec("lyon-1", ["sh", "-c", FORGE]).stdout
    admin.run("-n", namespace, "exec", "-i", "client", "--", "sh", "-c", "cat > /tmp/forged.pem", stdin=forged)
    assert why in ask(admin, namespace, "client", host, *how)


@pytest.fixture
def trusting(admin: Kubectl) -> Iterator[None]:
    """Let a test change trustedPolicies."""
    yield
    admin.run("patch", "spol", POLICY, "--type=merge", "-p", '{"spec": {"trustedPolicies": null}}')


@pytest.mark.usefixtures("trusting")
def test_a_policy_is_trusted_by_those_that_list_it_alone(admin: Kubectl, space: Space) -> None:
    namespace, other = space(), space("hds")
    host = pair(admin, namespace)
    admin.apply(config(), peer_pod("client", "brest-1", policy="hds"), namespace=other)
    address(admin, other, "client")
    assert "unknown ca" in ask(admin, other, "client", host, "untrusting")
    admin.run("patch", "spol", POLICY, "--type=merge", "-p", '{"spec": {"trustedPolicies": ["hds"]}}')
    who = f"client spiffe://{TRUST_DOMAIN}/ns/{other}/sa/default brest"
    eventually(
        lambda: who in ask(admin, other, "client", host, "untrusting"), seconds=90, what="trust in the other policy"
    )
    # Trust is not mutual: the other policy trusts only its own certificates.
    assert "refused" in ask(admin, other, "client", host)


@pytest.mark.usefixtures("changed_estate")
def test_a_suspended_datacentre_is_trusted_no_more_and_comes_back_with_another_authority(
    admin: Kubectl, space: Space
) -> None:
    namespace = space()
    host = pair(admin, namespace)
    before = trusted(admin)

    set_status(admin, "hexa-gouv", "Suspended")
    eventually(
        lambda: "unknown ca" in ask(admin, namespace, "client", host, "untrusting"), seconds=30, what="refusal of Lyon"
    )
    assert trusted(admin) == {"brest": before["brest"]}
    retired = admin.get("secret", f"authority.secnumcloud.lyon.{before['lyon'][-1]}", KEYS)
    assert retired["metadata"]["labels"]["sovereignty.dev/authority"] == "retired"
    assert retired["data"]["tls.key"] == ""
    # Its peers refuse Lyon's server as well, and Brest's keeps answering.
    assert "refused" in ask(admin, namespace, "client", host, "bare")

    set_status(admin, "hexa-gouv", "Qualified")
    after = eventually(lambda: trusted(admin).get("lyon"), what="Lyon trusted again")
    assert after > before["lyon"]
    # Certificates of the old authority stay refused.
    assert "unknown ca" in ask(admin, namespace, "client", host, "untrusting")
    admin.delete("pod", "client", namespace=namespace)
    admin.apply(peer_pod("client", "lyon-1"), namespace=namespace)
    address(admin, namespace, "client")
    eventually(lambda: "brest; client" in ask(admin, namespace, "client", host), seconds=90, what="the new one trusted")


@pytest.mark.usefixtures("changed_estate")
def test_ends_hold_with_all_our_processes_stopped(admin: Kubectl, space: Space) -> None:
    """Certificates and authorities expire by themselves. The test shifts the time of the verification, not a clock."""
    namespace = space()
    admin.apply(
        config(),
        server_pod("server", "brest-1"),
        peer_pod("client", "lyon-1", "sleep", "3600", image=OPENSSL),
        namespace=namespace,
    )
    host = address(admin, namespace, "server")
    address(admin, namespace, "client")
    admin.run(
        "-n", NAMESPACE, "scale", "deployment/sovereign-controller", "deployment/sovereign-signer", "--replicas=0"
    )
    # Injector and agents handle no certificates.
    eventually(
        lambda: not admin.list("pods", NAMESPACE, "app.kubernetes.io/component in (controller,signer)"),
        what="no process of ours that knows certificates",
    )

    def verify(days: int) -> str:
        connect = (
            f"openssl s_client -connect {host}:8443 -tls1_3 -CAfile /identity/ca.pem -cert /identity/tls.pem"
            f" -key /identity/tls.pem -verify_return_error -attime $(( $(date +%s) + {days} * 86400 )) </dev/null 2>&1"
        )
        done = admin.attempt("-n", namespace, "exec", "client", "--", "sh", "-c", connect)
        return done.stdout + done.stderr

    assert "Verify return code: 0 (ok)" in eventually(lambda: verify(0), what="an answer")
    leaf = verify(2)
    assert "depth=0" in leaf
    assert "certificate has expired" in leaf
    authority = verify(400)
    assert "depth=1 O = sovereignty.dev, OU = secnumcloud, CN = brest" in authority
    assert "certificate has expired" in authority


def test_a_pod_waits_while_no_signer_runs_and_those_that_run_go_on(admin: Kubectl, space: Space) -> None:
    namespace = space()
    host = pair(admin, namespace)
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-signer", "--replicas=0")
    try:
        eventually(lambda: not admin.list("pods", NAMESPACE, "app.kubernetes.io/component=signer"), what="no signer")
        admin.apply(peer_pod("late", "lyon-1"), namespace=namespace)
        request = eventually(lambda: requests(admin, namespace, "late"), what="a request")
        assert not request[0].get("status", {}).get("conditions")
        assert "brest; client" in ask(admin, namespace, "client", host)
    finally:
        admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-signer", "--replicas=2")
    address(admin, namespace, "late")
    assert "brest; client" in ask(admin, namespace, "late", host)


def test_replicas_that_are_killed_issue_nothing_twice_and_forget_nobody(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.apply(config(), namespace=namespace)
    names = [f"pod-{number}" for number in range(16)]
    for number, name in enumerate(names):
        admin.apply(peer_pod(name, "brest-1" if number % 2 else "lyon-1"), namespace=namespace)
        if number % 5 == 0:
            signers = admin.list("pods", NAMESPACE, "app.kubernetes.io/component=signer")
            victim = signers[number % len(signers)]["metadata"]["name"]
            admin.run("-n", NAMESPACE, "delete", "pod", victim, "--force", "--grace-period=0", "--wait=false")
    for name in names:
        admin.run("-n", namespace, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=120s")
        (request,) = requests(admin, namespace, name)
        assert [entry["type"] for entry in request["status"]["conditions"]] == ["Issued"]
    admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-signer", "--timeout=90s")


def test_a_pod_out_of_scope_waits_and_is_told_why(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    admin.apply(config(), peer_pod("stray", "brest-1"), namespace=namespace)
    told = eventually(lambda: events(admin, namespace, "stray").get("NotInScope"), what="an Event")
    assert f"label namespace {namespace} with sovereignty.dev/enforce" in told
    admin.run("label", "namespace", namespace, f"sovereignty.dev/enforce={POLICY}")
    # The pod was never placed, but its node is accepted by the policy: the certificate states no more.
    address(admin, namespace, "stray")


def test_a_pod_that_was_forced_onto_a_refused_node_gets_none(admin: Kubectl, space: Space) -> None:
    """Without the guards the pod starts there, but gets no certificate, so no peer accepts it."""
    namespace = space()
    admin.apply(config(), namespace=namespace)
    forced = peer_pod("forced", "paris-1", nodeName="paris-1")
    force(admin, forced, namespace)
    told = eventually(lambda: events(admin, namespace, "forced").get("NodeNotAccepted"), what="an Event")
    assert "node paris-1 is not accepted by policy secnumcloud" in told
    (request,) = requests(admin, namespace, "forced")
    assert "certificateChain" not in request.get("status", {})
    assert admin.get("pod", "forced", namespace)["status"]["phase"] == "Pending"


def test_conditions_and_columns_say_how_it_stands(admin: Kubectl, space: Space) -> None:
    namespace = space()
    web = workload("Deployment", "web", 2)
    spec = web["spec"]["template"]["spec"]
    spec["volumes"] = volumes(POLICY)[:1]
    spec["containers"][0]["volumeMounts"] = [{"name": "identity", "mountPath": "/identity"}]
    admin.apply(web, sovereign("web", workloadRef={"kind": "Deployment", "name": "web"}), namespace=namespace)
    identity = eventually(
        lambda: (seen := condition(admin, "swl", "web", "Identity", namespace))["status"] == "True" and seen,
        what="certificates in force",
    )
    assert identity["reason"] == "CertificatesInForce"
    assert "IDENTITY" in admin.run("-n", namespace, "get", "swl")
    policy = eventually(lambda: (seen := admin.get("spol", POLICY)["status"]).get("authorities") and seen, what="CAs")
    assert {authority["datacentre"] for authority in policy["authorities"]} == {"brest", "lyon"}
    assert policy["authorityEnd"] == min(authority["notAfter"] for authority in policy["authorities"])[:10]


@pytest.mark.usefixtures("changed_estate")
def test_authorities_can_be_restored_and_losing_them_heals(admin: Kubectl, space: Space) -> None:
    namespace = space()
    host = pair(admin, namespace)
    selector = "sovereignty.dev/authority=active"
    kept = admin.list("secrets", KEYS, selector)
    before = bundle_text(admin)

    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-signer", "--replicas=0")
    admin.delete("secrets", "-l", selector, namespace=KEYS)
    for secret in kept:
        metadata = {key: secret["metadata"][key] for key in ("name", "labels", "annotations")}
        admin.create(secret | {"metadata": metadata}, KEYS)
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-signer", "--replicas=2")
    admin.apply(peer_pod("restored", "lyon-1"), namespace=namespace)
    address(admin, namespace, "restored")
    assert "brest; client" in ask(admin, namespace, "restored", host)
    assert bundle_text(admin) == before

    admin.delete("secrets", "-l", selector, namespace=KEYS)
    eventually(lambda: bundle_text(admin) != before and trusted(admin).keys() == {"brest", "lyon"}, what="new ones")
    # Certificates of the lost authorities are trusted by nobody; pods that are created again get new ones.
    admin.delete("pod", "server", "client", "restored", namespace=namespace)
    pair(admin, namespace)
