"""Trust bundles in the cluster, as the signer writes them and the controller reports them."""

from dataclasses import dataclass

from sovereign_operator.core import names
from sovereign_operator.kube.api import Json
from sovereign_operator.pki import bundle


@dataclass(frozen=True)
class BundleSeen:
    """A ClusterTrustBundle of ours."""

    policy: str
    anchors: tuple[bundle.TrustAnchor, ...]
    """Whom it trusts."""
    pem: str
    version: str


def see_bundle(obj: Json) -> BundleSeen | None:
    """Read a trust bundle of ours, whoever wrote it last. One that only carries our label is none."""
    metadata, pem = obj["metadata"], obj["spec"]["trustBundle"]
    policy = metadata["labels"][names.TRUST_BUNDLE_LABEL]
    if metadata["name"] != names.trust_bundle(policy):
        return None
    try:
        anchors = bundle.read(pem)
    except ValueError:
        anchors = ()
    return BundleSeen(policy, anchors, pem, metadata["resourceVersion"])
