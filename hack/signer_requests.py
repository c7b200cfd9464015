"""Requests for certificates that benchmarks and tests send as a sidecar does: from any pod, with any token."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl
from sovereign_operator.core.names import SIGNER_AUDIENCE
from sovereign_operator.core.sidecar.contract import CERTIFICATE_PATH, SIGNER_ADDRESSES, SIGNER_CA, trust_config_map

PROGRAM = """
import base64, http.client, json, socket, ssl, sys, time
from concurrent.futures import ThreadPoolExecutor
asked = json.load(sys.stdin)
where = json.loads(asked["where"])
host, _, port = where["addresses"][0].rpartition(":")
context = ssl.create_default_context(cadata=asked["ca"])

def ask(request):
    begun = time.perf_counter()
    connection = http.client.HTTPConnection(where["host"], timeout=60)
    connection.sock = context.wrap_socket(
        socket.create_connection((host.strip("[]"), int(port)), 60), server_hostname=where["host"]
    )
    headers = {"Authorization": "Bearer " + request["token"]}
    connection.request("POST", request["path"], base64.b64decode(request["body"]), headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode(), time.perf_counter() - begun

begun = time.perf_counter()
with ThreadPoolExecutor(asked["at_once"]) as threads:
    answers = list(threads.map(ask, asked["requests"]))
print(json.dumps({"seconds": time.perf_counter() - begun, "answers": answers}))
"""
"""Sends requests from a pod."""


class Request(NamedTuple):
    """A request to the signer."""

    token: str
    body: bytes
    path: str = CERTIFICATE_PATH


class Answered(NamedTuple):
    """The signer's answer."""

    status: int
    headers: dict[str, str]
    body: Json
    """Empty if it is not JSON."""
    seconds: float


@dataclass(frozen=True)
class Asker:
    """A pod with Python from which requests are sent."""

    admin: Kubectl
    namespace: str
    pod: str
    policy: str
    """The policy whose trust ConfigMap in the operator's namespace says where the signer is."""

    def ask(self, token: str, body: bytes | None = None, *, path: str = CERTIFICATE_PATH) -> Answered:
        """Send a request; without ``body`` it is for a new key."""
        ((answered,), _) = self.ask_all([Request(token, pkcs10() if body is None else body, path)])
        return answered

    def ask_all(self, requests: Iterable[Request], *, at_once: int = 1) -> tuple[list[Answered], float]:
        """Send requests, this number at the same time. Return the answers, and how many seconds they all took."""
        data = self.admin.get("configmap", trust_config_map(self.policy), NAMESPACE)["data"]
        asked = {
            "where": data[SIGNER_ADDRESSES],
            "ca": data[SIGNER_CA],
            "at_once": at_once,
            "requests": [request._asdict() | {"body": base64.b64encode(request.body).decode()} for request in requests],
        }
        where = ("-n", self.namespace, "exec", "-i", self.pod, "--", "python3", "-c", PROGRAM)
        found = json.loads(self.admin.run(*where, stdin=json.dumps(asked)))
        answers = [
            Answered(status, headers, json.loads(text) if text.startswith("{") else {}, seconds)
            for status, headers, text, seconds in found["answers"]
        ]
        return answers, found["seconds"]


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


def token_of(cluster: Cluster, pod: Json) -> str:
    """Return a token for the signer that is bound to a pod, as the pod's kubelet gets it."""
    return bound_token(Kubectl(cluster.node_kubeconfig(pod["spec"]["nodeName"])), pod, SIGNER_AUDIENCE)
