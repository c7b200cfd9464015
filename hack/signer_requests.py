"""What a request for a certificate consists of, for benchmarks and tests that send one themselves."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from hack.kubectl import Json, Kubectl


def pkcs10(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> bytes:
    """Return a PKCS#10 request (DER), by default for a new key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def bound_token(person: Kubectl, pod: Json, audience: str) -> str:
    """Return a token that is bound to a pod, for an audience. Raises KubectlError."""
    metadata = pod["metadata"]
    bound = {"kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    return person.run(
        "-n",
        metadata["namespace"],
        "create",
        "token",
        pod["spec"]["serviceAccountName"],
        f"--audience={audience}",
        *(f"--bound-object-{key}={value}" for key, value in bound.items()),
    ).strip()
