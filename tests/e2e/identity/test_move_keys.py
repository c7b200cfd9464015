"""An upgrade from a version that kept keys in the operator's namespace: they move, and trust does not change."""

import pytest

from hack.cluster import Cluster
from hack.install import KEYS, NAMESPACE, install
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.installation import OPTIONS, upgrade

LABEL = "sovereignty.dev/authority"
MAY_READ = (
    "auth",
    "can-i",
    "list",
    "secrets",
    "-n",
    NAMESPACE,
    f"--as=system:serviceaccount:{NAMESPACE}:sovereign-signer",
)


def held(admin: Kubectl, namespace: str) -> dict[str, Json]:
    """Return the authorities' Secrets in a namespace."""
    return {
        secret["metadata"]["name"]: {
            "type": secret["type"],
            "data": secret["data"],
            "labels": secret["metadata"]["labels"],
            "annotations": secret["metadata"].get("annotations", {}),
        }
        for secret in admin.list("secrets", namespace, LABEL)
    }


def bundles(admin: Kubectl) -> dict[str, tuple[str, str]]:
    """Return the trust bundles with their resource versions, which show whether a bundle was written in between."""
    return {
        bundle["metadata"]["name"]: (bundle["spec"]["trustBundle"], bundle["metadata"]["resourceVersion"])
        for bundle in admin.list("clustertrustbundles", selector="sovereignty.dev/trust-of")
    }


@pytest.mark.usefixtures("changed_estate")
def test_keys_of_a_former_version_move_and_no_bundle_is_written(admin: Kubectl, cluster: Cluster) -> None:
    scale = ("-n", NAMESPACE, "scale", "deployment/sovereign-signer")
    admin.run(*scale, "--replicas=0")
    eventually(lambda: not admin.list("pods", NAMESPACE, "app.kubernetes.io/component=signer"), what="no signer")
    before, trust = held(admin, KEYS), bundles(admin)
    assert any(name.startswith("authority.secnumcloud.") for name in before)
    # An earlier version kept them in the operator's namespace.
    for name, kept in before.items():
        metadata = {"name": name, "labels": kept["labels"], "annotations": kept["annotations"]}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": kept["type"],
            "data": kept["data"],
        }
        admin.create(secret, NAMESPACE)
    admin.delete("secrets", "-l", LABEL, namespace=KEYS)
    # Without the migration a signer changes nothing.
    admin.run(*scale, "--replicas=1")
    log = ("-n", NAMESPACE, "logs", "-l", "app.kubernetes.io/component=signer", "--tail=-1")
    eventually(lambda: "holds no key at all, but pods trust some" in admin.run(*log), what="word of it")

    install(cluster, *OPTIONS)
    eventually(lambda: not held(admin, NAMESPACE), seconds=90, what="an empty former place")
    assert held(admin, KEYS) == before
    assert bundles(admin) == trust
    assert admin.run(*MAY_READ).strip() == "yes"

    upgrade(cluster, "--no-hooks")
    assert admin.attempt(*MAY_READ).stdout.strip() == "no"
    assert held(admin, KEYS) == before
    assert bundles(admin) == trust
