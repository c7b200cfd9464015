"""An admin imports a certificate authority: it signs where it may, and the signer makes no other in its place."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hack.cluster import Cluster
from hack.images import public
from hack.install import KEYS, NAMESPACE, TRUST_DOMAIN
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.pki import bundle, certificates
from sovereign_operator.pki.authority import Authority, self_signed
from tests.e2e.support.estate import set_status
from tests.e2e.support.observed import audit, events
from tests.e2e.support.peers import IMAGES, address, config, peer_pod
from tests.e2e.support.spaces import Space

POLICY = "own-keys"
SECRET = "keys-of-brest"


def policy() -> Json:
    """Return a policy that accepts only Brest."""
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereigntyPolicy",
        "metadata": {"name": POLICY},
        "spec": {"technologyOrigins": ["EU"], "qualifications": [{"scheme": "SecNumCloud"}]},
    }


def brought(days: int, trust_domain: str = TRUST_DOMAIN) -> Json:
    """Return a Secret with an authority that is valid for this number of days."""
    now = datetime.now(UTC)
    made = Authority.make(
        POLICY, "brest", trust_domain=trust_domain, number="ceremony-7", not_before=now, not_after=now + timedelta(days)
    )
    return secret(made)


def secret(made: Authority) -> Json:
    """Return a Secret with an authority for Brest."""
    data = {"tls.crt": made.certificate_pem, "tls.key": made.key_pem}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": SECRET,
            "labels": {"sovereignty.dev/authority": "brought"},
            "annotations": {"sovereignty.dev/policy": POLICY, "sovereignty.dev/datacentre": "brest"},
        },
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


@pytest.fixture
def gone_after(admin: Kubectl, cluster: Cluster) -> Iterator[None]:
    """Delete policy and authority at the end."""
    cluster.load_image(public.archive_all(IMAGES))
    yield
    admin.delete("spol", POLICY)
    admin.delete("secret", SECRET, namespace=KEYS)


def numbers(admin: Kubectl) -> set[str | None]:
    """Return the numbers of the authorities in the policy's trust bundle."""
    found = admin.get("clustertrustbundle", f"sovereignty.dev:workload-identity:{POLICY}")
    return {anchor.number for anchor in bundle.read(found["spec"]["trustBundle"])}


def label(admin: Kubectl) -> str:
    """Return the state of the imported authority."""
    return str(admin.get("secret", SECRET, KEYS)["metadata"]["labels"]["sovereignty.dev/authority"])


@pytest.mark.usefixtures("gone_after", "changed_estate")
def test_it_signs_and_once_withdrawn_counts_again_only_when_an_admin_says_so(admin: Kubectl, space: Space) -> None:
    admin.create(brought(days=300), KEYS)
    admin.apply(policy())
    eventually(lambda: numbers(admin) == {"ceremony-7"}, what="trust in what was brought")
    namespace = space(POLICY)
    admin.apply(config(), peer_pod("one", "brest-1", policy=POLICY), namespace=namespace)
    address(admin, namespace, "one")
    said = eventually(lambda: audit(admin.get("pod", "one", namespace)).get("certificate"), what="word of it")
    assert f"by {SECRET}, authority sha256 " in said
    assert admin.attempt("-n", KEYS, "get", "secret", f"authority.{POLICY}.brest.1").returncode

    set_status(admin, "armor-snc", "Suspended")
    eventually(lambda: label(admin) == "withdrawn", seconds=30, what="its withdrawal")
    assert "ceremony-7" not in numbers(admin)
    set_status(admin, "armor-snc", "Qualified")
    admin.apply(peer_pod("two", "brest-1", policy=POLICY), namespace=namespace)
    told = eventually(lambda: events(admin, namespace, "two").get("NoAuthority"), what="an Event")
    assert f"policy {POLICY} has no certificate authority for datacentre brest" in told
    assert "ceremony-7" not in numbers(admin)

    admin.run("-n", KEYS, "label", "secret", SECRET, "sovereignty.dev/authority=brought", "--overwrite")
    eventually(lambda: numbers(admin) == {"ceremony-7"}, what="trust again")
    address(admin, namespace, "two")


@pytest.mark.usefixtures("gone_after")
def test_the_policys_status_names_one_whose_subject_is_its_own(admin: Kubectl) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Key ceremony of the hospital")])
    begin, key = datetime.now(UTC).replace(microsecond=0), ec.generate_private_key(ec.SECP384R1())
    made = Authority(self_signed(subject, TRUST_DOMAIN, key, begin, begin + timedelta(days=30)), key)
    admin.create(secret(made), KEYS)
    admin.apply(policy())
    status = eventually(
        lambda: (seen := admin.get("spol", POLICY)["status"]).get("authorities") and seen, what="a status that names it"
    )
    end = made.certificate.not_valid_after_utc
    assert status["authorities"] == [
        {
            "fingerprint": certificates.fingerprint(made.certificate),
            "policy": POLICY,
            "datacentre": "brest",
            "notAfter": timestamp(end),
        }
    ]
    assert status["authorityEnd"] == end.date().isoformat()


WRONG = {
    "one that outlives what it rests on": (brought(days=3650), "bring one that ends by then"),
    "one of another trust domain": (brought(days=30, trust_domain="example.org"), "does not name its trust domain"),
}


@pytest.mark.usefixtures("gone_after")
@pytest.mark.parametrize(("secret", "why"), WRONG.values(), ids=WRONG.keys())
def test_one_that_cannot_be_used_is_replaced_by_no_other_and_the_log_says_why(
    admin: Kubectl, secret: Json, why: str
) -> None:
    admin.create(secret, KEYS)
    admin.apply(policy())
    selector = "app.kubernetes.io/component=signer"
    log = ("-n", NAMESPACE, "logs", "-l", selector, "--tail=-1", "--since=60s")
    eventually(lambda: why in admin.run(*log), what="word of it in the log")
    eventually(lambda: numbers(admin) == {None}, what="a bundle that trusts nobody")
    assert admin.attempt("-n", KEYS, "get", "secret", f"authority.{POLICY}.brest.1").returncode
