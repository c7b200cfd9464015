"""Whom the signer lets pods trust, in the bundles that it writes: the anchors that Envoy loads."""

import base64
import logging
from datetime import timedelta
from typing import Any

import pytest

from sovereign_operator.api.v1alpha1 import GROUP, KINDS
from sovereign_operator.core import names
from sovereign_operator.core.identity.retirement import State
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.core.sidecar.contract import SIGNER_CA, TRUSTED, trust_config_map
from sovereign_operator.kube.client.resource import CRDS, SERVICES
from sovereign_operator.pki import bundle
from sovereign_operator.pki.authority import Authority
from sovereign_operator.pki.serving import make_authority
from sovereign_operator.runtime.trust_configs import trust_config_body, trust_data
from sovereign_operator.signer.key_store import NOBODY_LIFETIME, NOBODY_NAME, SERVING_NAME, SecretStore
from sovereign_operator.signer.reconcile.authorities import reconcile_authorities
from sovereign_operator.signer.state import SignerState
from tests.certificates import make
from tests.unit.signer.tokens.api_server import ApiServer, run
from tests.unit.signer.tokens.asking import AUTHORITY, NOW, observed
from tests.unit.states import show

Json = dict[str, Any]
OWN, KEYS = "sovereign-system", "keys"
HDS, GONE = Pair("hds", "brest"), Pair("gone", "brest")
SERVING = make_authority(names.signer_hosts(OWN), NOW)
ANOTHER = make_authority(names.signer_hosts(OWN), NOW)
NOBODY = bundle.nobody("example.org", NOW, NOW + NOBODY_LIFETIME)
FORMER = make(
    "gone", "brest", trust_domain="example.org", not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=300)
)


def secret(name: str, state: State, certificate: bytes, key: bytes = b"", pair: Pair = HDS) -> Json:
    """Return a Secret of the key store. What it holds was published yesterday."""
    annotations = {
        names.AUTHORITY_POLICY_ANNOTATION: pair.policy,
        names.AUTHORITY_DATACENTRE_ANNOTATION: pair.datacentre,
        names.AUTHORITY_PUBLISHED_ANNOTATION: timestamp(NOW - timedelta(days=1)),
    }
    labels = {names.AUTHORITY_LABEL: state.value}
    metadata = {"namespace": KEYS, "name": name, "resourceVersion": "1", "labels": labels, "annotations": annotations}
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    return {"type": "kubernetes.io/tls", "metadata": metadata, "data": data}


def of(name: str, state: State, authority: Authority, pair: Pair = HDS) -> Json:
    """Return the Secret of an authority."""
    return secret(name, state, authority.certificate_pem, authority.key_pem, pair)


def record(policy: str, trusted: Authority) -> Json:
    """Return a record as the signer wrote it."""
    data = trust_data(trusted.certificate_pem.decode(), SERVING.certificate_pem.decode(), "signer", ["10.96.0.7:443"])
    body = trust_config_body(policy, OWN, data)
    return body | {"metadata": body["metadata"] | {"resourceVersion": "1"}}


STORED = (
    secret(NOBODY_NAME, State.NOBODY, bundle.write([NOBODY]).encode()),
    of(SERVING_NAME, State.SERVING, SERVING),
    of("authority.hds.brest.1", State.ACTIVE, AUTHORITY),
    of("authority.gone.brest.1", State.ACTIVE, FORMER, GONE),
)


def written(*more: Json) -> dict[tuple[str, str], Json]:
    """Have a signer that leads reconcile, and return what it writes, by kind and name. There are these Secrets, too."""
    server = ApiServer()
    service = {"spec": {"clusterIPs": ["10.96.0.7"]}}
    server.objects = {SERVICES.path(names.SIGNER_SERVICE, OWN): service}
    for kind in KINDS:
        name = f"{kind.plural}.{GROUP}"
        server.objects[CRDS.path(name)] = {"metadata": {"name": name, "uid": "u"}}

    async def main() -> None:
        async with server.serve() as api:
            await reconcile_authorities(leading(observed(api), *more), SecretStore(api, KEYS, "example.org"))

    run(main())
    return {(body["kind"], body["metadata"]["name"]): body for _, body in server.written if "kind" in body}


def leading(state: SignerState, *secrets: Json) -> SignerState:
    """Have a signer lead, with these Secrets and those of the store, and the record of a policy that is gone."""
    state.leading = True
    show(state.secrets, [*STORED, *secrets])
    assert state.trust
    for mirror in state.trust.mirrors:
        show(mirror, [record("gone", FORMER)])
    return state


def config_map(found: dict[tuple[str, str], Json], policy: str) -> Json:
    """Return the data of a policy's record."""
    return dict(found["ConfigMap", trust_config_map(policy)]["data"])


def anchors(pem: str) -> set[str]:
    """Return the fingerprints of the certificates in a bundle."""
    return {anchor.fingerprint for anchor in bundle.read(pem)}


def fingerprint(authority: Authority) -> str:
    return bundle.describe(authority.certificate).fingerprint


MORE: dict[str, tuple[Json, ...]] = {
    "as it is": (),
    "with the label of one that signs for the policy": (of("authority.hds.brest.2", State.ACTIVE, SERVING),),
    "imported for the policy": (of("mine", State.BROUGHT, SERVING),),
    "another, under its name": (of("another", State.SERVING, ANOTHER),),
}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE.keys())
def test_no_pod_trusts_the_authority_of_the_signers_own_certificates(more: tuple[Json, ...]) -> None:
    """It is beside the anchors in the same ConfigMap. An Envoy that trusted it would accept a signer as a peer."""
    found = written(*more)
    data = config_map(found, "hds")
    assert anchors(data[TRUSTED]) == {fingerprint(AUTHORITY)}
    assert anchors(data[SIGNER_CA]) == {fingerprint(SERVING)}
    cluster_bundle = found["ClusterTrustBundle", names.trust_bundle("hds")]
    assert anchors(cluster_bundle["spec"]["trustBundle"]) == {fingerprint(AUTHORITY)}


def test_the_authority_of_the_signers_own_certificates_is_no_candidate(caplog: pytest.LogCaptureFixture) -> None:
    """An error, and an alert, would say that it cannot be used."""
    written()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_the_record_of_a_deleted_policy_trusts_nobody() -> None:
    """It stays, as pods of the policy do: without it, the file in them would stay as it was."""
    data = config_map(written(), "gone")
    (anchor,) = bundle.read(data[TRUSTED])
    assert anchor == bundle.describe(NOBODY)
    assert anchors(data[SIGNER_CA]) == {fingerprint(SERVING)}
