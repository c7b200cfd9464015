"""Trust bundles in the cluster, as the signer writes them and the controller reports them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.kube.client.api import Json
from sovereign_operator.pki import bundle


@dataclass(frozen=True)
class ObservedBundle:
    """A ClusterTrustBundle of ours."""

    policy: str
    anchors: tuple[bundle.TrustAnchor, ...]
    """Whom it trusts: of which pair, the signer knows better than the certificate."""
    pem: str
    pairs: str
    """What the signer said of pairs."""
    version: str


def see_bundle(obj: Json) -> ObservedBundle | None:
    """Read a trust bundle of ours, whoever wrote it last. One that only carries our label is none."""
    metadata, pem = obj["metadata"], obj["spec"]["trustBundle"]
    policy = metadata["labels"][names.TRUST_BUNDLE_LABEL]
    if metadata["name"] != names.trust_bundle(policy):
        return None
    pairs = metadata.get("annotations", {}).get(names.AUTHORITIES_ANNOTATION, "")
    known = _read_pairs(pairs)
    try:
        anchors = tuple(_told(anchor, known.get(anchor.fingerprint)) for anchor in bundle.read(pem))
    except ValueError:
        anchors = ()
    return ObservedBundle(policy, anchors, pem, pairs, metadata["resourceVersion"])


def worst_bundle(obj: Json) -> ObservedBundle:
    """Return a bundle that says nothing of what it should, so that it is written again."""
    metadata = obj["metadata"]
    return ObservedBundle(metadata["labels"][names.TRUST_BUNDLE_LABEL], (), "", "", metadata["resourceVersion"])


def write_pairs(pairs: Mapping[str, Pair]) -> str:
    """Write of which pair authorities are, by fingerprint: a line each, the same text for the same authorities."""
    return "\n".join(sorted(f"{fingerprint} {policy} {place}" for fingerprint, (policy, place) in pairs.items()))


def _read_pairs(text: str) -> dict[str, Pair]:
    lines = (line.split() for line in text.splitlines())
    return {words[0]: Pair(words[1], words[2]) for words in lines if len(words) == 3}  # noqa: PLR2004 - as they are written


def _told(anchor: bundle.TrustAnchor, pair: Pair | None) -> bundle.TrustAnchor:
    return replace(anchor, policy=pair.policy, datacentre=pair.datacentre) if pair else anchor
