"""What an attacker could change of the volume by which a sidecar gets its certificate and its trust, in both forms."""

from tests.e2e.support.pod_changes import Change, source, volume

OTHER_BUNDLE = {"matchLabels": {"sovereignty.dev/trust-of": "hds"}}

IDENTITY: dict[str, tuple[Change, str]] = {
    "another identity": (volume("sovereignty-identity", emptyDir={}), "volume sovereignty-identity"),
    "a certificate of another signer": (source("podCertificate", signerName="example.org/x"), "sovereignty-identity"),
    "a certificate in another file": (source("podCertificate", credentialBundlePath="x"), "sovereignty-identity"),
    "another's trust": (source("clusterTrustBundle", labelSelector=OTHER_BUNDLE), "sovereignty-identity"),
    "everybody's trust": (source("clusterTrustBundle", labelSelector={}), "sovereignty-identity"),
    "trust that may be missing": (source("clusterTrustBundle", optional=True), "sovereignty-identity"),
    "a token for another audience": (source("serviceAccountToken", audience="example.org/x"), "sovereignty-identity"),
    "a token in another file": (source("serviceAccountToken", path="x"), "sovereignty-identity"),
    "a token for a day": (source("serviceAccountToken", expirationSeconds=86400), "sovereignty-identity"),
    "another's trust by name": (source("configMap", name="sovereignty-trust.hds"), "sovereignty-identity"),
    "a trust ConfigMap that may be missing": (source("configMap", optional=True), "sovereignty-identity"),
    "other authorities of the signer": (
        source("configMap", items=[{"key": "trusted.pem", "path": "signer-ca.pem"}]),
        "sovereignty-identity",
    ),
}
"""By name, the change, and a part of the refusal."""
