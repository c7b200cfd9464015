"""Trust bundles in the cluster: the signer writes them, the controller reports them in status."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.kube.client.api import Json
from sovereign_operator.pki import bundle


@dataclass(frozen=True)
class ObservedBundle:
    """The fields of a trust bundle that decisions depend on."""

    policy: str
    anchors: tuple[bundle.TrustAnchor, ...]
    """The certificate authorities in it. Policy and datacentre come from ``pairs`` where it lists the authority."""
    pem: str
    pairs: str
    """The signer's annotation: the policy and datacentre of each authority, see ``write_pairs``."""
    version: str


def see_bundle(obj: Json) -> ObservedBundle | None:
    """Read a trust bundle; None if only its label is ours, not its name."""
    metadata = obj["metadata"]
    policy = metadata["labels"][names.TRUST_BUNDLE_LABEL]
    if metadata["name"] != names.trust_bundle(policy):
        return None
    return observe_bundle(policy, obj["spec"]["trustBundle"], metadata)


def observe_bundle(policy: str, pem: str, metadata: Json) -> ObservedBundle:
    """Read the bundle of a policy, which an object with this metadata holds. Invalid PEM counts as no anchors."""
    pairs = metadata.get("annotations", {}).get(names.AUTHORITIES_ANNOTATION, "")
    known = _read_pairs(pairs)
    try:
        anchors = tuple(_with_pair(anchor, known.get(anchor.fingerprint)) for anchor in bundle.read(pem))
    except ValueError:
        anchors = ()
    return ObservedBundle(policy, anchors, pem, pairs, metadata["resourceVersion"])


def worst_bundle(obj: Json) -> ObservedBundle:
    """Return an empty bundle in place of one that cannot be read, so that the signer writes it again."""
    metadata = obj["metadata"]
    return ObservedBundle(metadata["labels"][names.TRUST_BUNDLE_LABEL], (), "", "", metadata["resourceVersion"])


def write_pairs(pairs: Mapping[str, Pair]) -> str:
    """Return the pair of each authority as text: sorted lines of fingerprint, policy and datacentre."""
    return "\n".join(sorted(f"{fingerprint} {policy} {place}" for fingerprint, (policy, place) in pairs.items()))


def _read_pairs(text: str) -> dict[str, Pair]:
    lines = (line.split() for line in text.splitlines())
    return {words[0]: Pair(words[1], words[2]) for words in lines if len(words) == 3}  # noqa: PLR2004 - as they are written


def _with_pair(anchor: bundle.TrustAnchor, pair: Pair | None) -> bundle.TrustAnchor:
    return replace(anchor, policy=pair.policy, datacentre=pair.datacentre) if pair else anchor
