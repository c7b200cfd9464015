"""Once all keys are gone, the signer changes nothing until a user who may replace keys says that they are lost."""

from collections.abc import Iterator

import pytest

from hack.install import KEYS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from sovereign_operator.core.sidecar.contract import trust_config_map
from tests.documents import CERTIFICATES
from tests.e2e.support.certificates import POLICY, bundle_text, trusted
from tests.e2e.support.guards import bare
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import audit
from tests.e2e.support.pages import commands
from tests.e2e.support.spaces import Chief, Space

pytestmark = pytest.mark.every_kubernetes

SIGNERS = ("-n", NAMESPACE, "logs", "-l", "app.kubernetes.io/component=signer", "--tail=-1")
SCALE = ("-n", NAMESPACE, "scale", "deployment/sovereign-signer")
WAITS = "holds no key at all, but pods trust some"


def stop(admin: Kubectl) -> None:
    admin.run(*SCALE, "--replicas=0")
    ended = ("wait", "pods", "-l", "app.kubernetes.io/component=signer", "--for=delete", "--timeout=60s")
    admin.run("-n", NAMESPACE, *ended)


def start(admin: Kubectl) -> None:
    admin.run(*SCALE, "--replicas=2")
    admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-signer", "--timeout=90s")


@pytest.fixture(scope="module")
def before(admin: Kubectl, transit: str) -> Iterator[str]:
    """Delete all keys while no signer runs, wait until signers notice, and return the trust bundle from before.

    At the end the keys are there again, unless the signer has made others.
    """
    eventually(lambda: trusted(admin, transit).keys() == {"brest", "lyon"}, seconds=90, what="authorities")
    kept = []
    try:
        stop(admin)
        kept = [bare(secret) for secret in admin.list("secrets", KEYS, names.AUTHORITY_LABEL)]
        text = bundle_text(admin)
        admin.delete("secrets", "-l", names.AUTHORITY_LABEL, namespace=KEYS)
        admin.run(*SCALE, "--replicas=2")
        eventually(lambda: WAITS in admin.run(*SIGNERS), seconds=90, what="signers that wait")
        yield text
    finally:
        if not authorities(admin):
            stop(admin)
            for secret in kept:
                admin.create(secret, KEYS)
        start(admin)


def authorities(admin: Kubectl) -> list[Json]:
    """Return the Secrets of the operator's own authorities."""
    return admin.list("secrets", KEYS, f"{names.AUTHORITY_LABEL}=active")


def said(admin: Kubectl) -> int:
    """Return how often the signers have said that they wait."""
    return admin.run(*SIGNERS).count(WAITS)


def word(name: str) -> Json:
    """Return the Secret that says that the keys are lost, in the form of an authority, as the signer moves these."""
    metadata = {"name": name, "labels": {names.AUTHORITY_LABEL: "lost"}}
    data = {"tls.crt": "", "tls.key": ""}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data}


def test_nobody_else_can_give_the_keys_up(
    admin: Kubectl, mallory: Kubectl, chief: Chief, transit: str, before: str
) -> None:
    """Neither a user with all rights elsewhere, nor one beside the operator, nor the deletion of whom pods trust."""
    person, namespace = chief(transit)
    eventually(lambda: admin.get("configmap", trust_config_map(transit), namespace), what="a trust ConfigMap")
    person.create(word("authority-lost"), namespace)
    assert "forbidden" in person.refusal("-n", KEYS, "create", "secret", "generic", "keys-are-lost")
    assert "sovereignty-guard-trust" in person.refusal(
        "-n", namespace, "delete", "configmap", trust_config_map(transit)
    )
    record = ("-n", NAMESPACE, "delete", "configmap", trust_config_map(transit))
    assert "sovereignty-guard-trust" in mallory.refusal(*record)
    admin.create(word("authority-lost"), NAMESPACE)
    try:
        # Twice for each replica: both have decided once more since.
        enough = said(admin) + 4
        eventually(lambda: said(admin) >= enough, seconds=90, what="signers that wait all the same")
    finally:
        admin.delete("secret", "authority-lost", namespace=NAMESPACE)
    assert not admin.list("secrets", KEYS, names.AUTHORITY_LABEL)
    assert bundle_text(admin) == before


def test_an_admin_gives_them_up_as_the_page_says_and_pods_get_certificates_of_new_ones(
    admin: Kubectl, space: Space, transit: str, before: str
) -> None:
    for command in commands(CERTIFICATES, "keys-are-lost").splitlines():
        admin.run(*command.split()[1:])
    policies = (POLICY, transit)
    eventually(
        lambda: (
            all(trusted(admin, policy).keys() == {"brest", "lyon"} for policy in policies)
            and bundle_text(admin) != before
        ),
        seconds=120,
        what="new authorities",
    )
    assert authorities(admin)
    admin.run("-n", KEYS, "delete", "secret", "keys-are-lost")

    namespace = space(transit)
    eventually(lambda: admin.get("configmap", trust_config_map(transit), namespace), what="a trust ConfigMap")
    admin.apply(pod("late"), namespace=namespace)
    admin.run("-n", namespace, "wait", "pod/late", "--for=condition=Ready", "--timeout=180s")
    note = eventually(lambda: audit(admin.get("pod", "late", namespace)).get("certificate"), what="word of it")
    assert f"by authority.{transit}." in note
