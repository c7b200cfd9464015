"""Certificates for sidecars that ask the signer themselves: whose token counts, and from where.

That is the chart's default on every Kubernetes. On the newest one, the tests' installation has kubelets ask instead.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hack.cluster import Cluster
from hack.images import public
from hack.install import NAMESPACE, certificates_by
from hack.kubectl import Json, Kubectl, eventually
from hack.signer_requests import Asker, Request, bound_token, pkcs10, token_of
from sovereign_operator.core.names import POLICY_LABEL, SIGNER_AUDIENCE
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import audit, events
from tests.e2e.support.peers import PYTHON
from tests.e2e.support.sidecars import dry_run
from tests.e2e.support.spaces import Held, Space
from tests.e2e.support.strict_pods import python, ready
from tests.e2e.support.ways import asking, listing, switch

pytestmark = [pytest.mark.every_kubernetes, pytest.mark.usefixtures("image", "by_token")]


@pytest.fixture(scope="module")
def by_token(admin: Kubectl, cluster: Cluster, roaming: Held) -> Iterator[None]:
    """Have new sidecars ask with a token, where their kubelets ask otherwise; these do again at the end."""
    usual = certificates_by(cluster)
    if usual == "Token":
        yield
        return
    labelled = pod("tried", labels={POLICY_LABEL: roaming.policy})

    def use(certificates: str, asks: str) -> None:
        switch(admin, cluster, f"identity.certificates={certificates}")
        eventually(
            lambda: asking(dry_run(admin, labelled, roaming.namespace)) == asks, what=f"new pods whose {asks} asks"
        )

    use("Token", "sidecar")
    yield
    use(usual, "kubelet")
    # Until the new controller leads, roles list the namespaces that there were.
    eventually(lambda: not listing(admin), what="roles that list no namespaces but those that policies list")


@pytest.fixture(scope="module")
def image(cluster: Cluster) -> None:
    """Load Python's image on the nodes."""
    cluster.load_image(public.archive(PYTHON))


@pytest.fixture
def stranger(admin: Kubectl, space: Space, transit: str) -> Asker:
    """A pod that is in scope of no policy, and asks with whatever token it has."""
    namespace = space(None)
    admin.apply(python("stranger", "brest-1"), namespace=namespace)
    ready(admin, namespace, "stranger")
    return Asker(admin, namespace, "stranger", transit)


@pytest.fixture
def web(admin: Kubectl, encrypting: str) -> Json:
    """A pod with a sidecar that has its certificate."""
    admin.apply(python("web", "brest-1"), namespace=encrypting)
    ready(admin, encrypting, "web")
    return admin.get("pod", "web", encrypting)


def test_a_sidecar_has_a_certificate_and_its_pod_says_so(admin: Kubectl, web: Json, transit: str) -> None:
    assert asking(web) == "sidecar"
    note = eventually(
        lambda: audit(admin.get("pod", "web", web["metadata"]["namespace"])).get("certificate"), what="word of it"
    )
    assert f"policy {transit}, datacentre brest, by authority.{transit}.brest." in note


def test_the_address_of_another_pod_waits(stranger: Asker, cluster: Cluster, admin: Kubectl, web: Json) -> None:
    """A token that was stolen from the sidecar is of no use elsewhere, as long as addresses cannot be forged."""
    answered = stranger.ask(token_of(cluster, web))
    assert (answered.status, answered.body["reason"]) == (503, "NotItsAddress")
    assert int(answered.headers["Retry-After"]) >= 1
    said = eventually(
        lambda: events(admin, web["metadata"]["namespace"], "web")["NotItsAddress"], what="an Event on the pod"
    )
    assert "somebody else uses the token of this pod" in said


def test_a_pod_without_the_sidecar_gets_none(stranger: Asker, cluster: Cluster, admin: Kubectl) -> None:
    """Where nothing is in scope no guard keeps a pod from having such a token."""
    made = pod("bare", nodeSelector={"kubernetes.io/hostname": "lyon-1"})
    source = {"serviceAccountToken": {"audience": SIGNER_AUDIENCE, "path": "token"}}
    made["spec"]["volumes"] = [{"name": "mine", "projected": {"sources": [source]}}]
    made["spec"]["containers"][0]["volumeMounts"] = [{"name": "mine", "mountPath": "/mine"}]
    admin.apply(made, namespace=stranger.namespace)
    ready(admin, stranger.namespace, "bare")
    answered = stranger.ask(token_of(cluster, admin.get("pod", "bare", stranger.namespace)))
    assert (answered.status, answered.body["reason"]) == (403, "SignerNotMounted")


def test_a_weak_key_gets_none(stranger: Asker, cluster: Cluster, web: Json) -> None:
    answered = stranger.ask(token_of(cluster, web), pkcs10(rsa.generate_private_key(65537, 2048)))
    assert (answered.status, answered.body["reason"]) == (403, "UnsupportedKeyType")
    answered = stranger.ask(token_of(cluster, web), b"no request at all")
    assert (answered.status, answered.body["reason"]) == (403, "UnsupportedKeyType")


def test_the_token_of_a_pod_that_is_gone_counts_no_more(
    stranger: Asker, cluster: Cluster, admin: Kubectl, web: Json
) -> None:
    token = token_of(cluster, web)
    admin.delete("pod", "web", "--grace-period=1", namespace=web["metadata"]["namespace"])
    answered = eventually(
        lambda: (found := stranger.ask(token)).status == 401 and found, what="a token that is not accepted"
    )
    assert answered.body["reason"] == "InvalidToken"


def forged(**claims: Any) -> str:
    """Return a token like those of API servers, signed with a key of its own."""
    pods = {"namespace": "default", "serviceaccount": {"name": "default", "uid": "u"}}
    bound = pods | {"pod": {"name": "web", "uid": "u"}, "node": {"name": "brest-1", "uid": "u"}}
    whole = {"aud": [SIGNER_AUDIENCE], "exp": 1 << 40, "sub": "me", "kubernetes.io": bound} | claims
    return jwt.encode(whole, rsa.generate_private_key(65537, 2048), "RS256", {"kid": "mine"})


def unsigned(token: str) -> str:
    """Return a token whose signature is gone, and which says that it has none."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


def test_forged_tokens_do_not_count(stranger: Asker, cluster: Cluster, admin: Kubectl, web: Json) -> None:
    good = token_of(cluster, web)
    other = bound_token(admin, web, "https://vault.example.org")
    head, body, signature = good.split(".")
    spoiled = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    for token in (forged(), unsigned(good), spoiled, other, "", "no token", "a.b.c", "x" * 7000):
        answered = stranger.ask(token)
        assert (answered.status, answered.body.get("reason")) == (401, "InvalidToken"), token


def test_the_token_of_a_process_is_for_another_audience(stranger: Asker, admin: Kubectl) -> None:
    token = admin.run("-n", NAMESPACE, "create", "token", "sovereign-controller").strip()
    assert stranger.ask(token).status == 401


@pytest.mark.parametrize(
    ("status", "request_"),
    [(404, {"path": "/"}), (404, {"path": "/metrics"}), (413, {"body": b"x" * 4000})],
    ids=["another path", "metrics", "too large"],
)
def test_nothing_else_is_answered(stranger: Asker, status: int, request_: dict[str, Any]) -> None:
    assert stranger.ask("none", **request_).status == status


def test_only_so_many_requests_of_a_pod_are_answered(stranger: Asker, cluster: Cluster, web: Json) -> None:
    found, _ = stranger.ask_all([Request(token_of(cluster, web), pkcs10())] * 30)
    limited = [answered for answered in found if answered.status == 429]
    assert limited, [answered.status for answered in found]
    assert all(int(answered.headers["Retry-After"]) >= 1 for answered in limited)
