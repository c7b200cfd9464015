"""Asks the signer for a certificate as a sidecar does: with a token of a pod, from any pod."""

import base64
import json
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl
from hack.signer_requests import bound_token, pkcs10
from sovereign_operator.core.names import SIGNER_AUDIENCE
from sovereign_operator.core.sidecar.contract import SIGNER_ADDRESSES, SIGNER_CA, trust_config_map

PROGRAM = """
import base64, http.client, json, socket, ssl, sys
asked = json.load(sys.stdin)
where = json.loads(asked["where"])
host, _, port = where["addresses"][0].rpartition(":")
context = ssl.create_default_context(cadata=asked["ca"])
for _ in range(asked["times"]):
    connection = http.client.HTTPConnection(where["host"], timeout=20)
    connection.sock = context.wrap_socket(
        socket.create_connection((host.strip("[]"), int(port)), 20), server_hostname=where["host"]
    )
    connection.request("POST", asked["path"], base64.b64decode(asked["body"]), asked["headers"])
    answer = connection.getresponse()
    print(json.dumps([answer.status, dict(answer.getheaders()), answer.read().decode()]))
"""


@dataclass(frozen=True)
class Answered:
    """The signer's answer."""

    status: int
    headers: dict[str, str]
    body: Json


@dataclass(frozen=True)
class Asker:
    """A pod with Python from which requests are sent."""

    admin: Kubectl
    namespace: str
    pod: str
    policy: str
    """The policy whose trust ConfigMap in the operator's namespace says where the signer is."""

    def ask(self, token: str, body: bytes | None = None, *, path: str = "/certificate") -> Answered:
        """Send a request; without ``body`` it is for a new key."""
        (answered,) = self.ask_often(1, token, body, path=path)
        return answered

    def ask_often(
        self, times: int, token: str, body: bytes | None = None, *, path: str = "/certificate"
    ) -> list[Answered]:
        """Send a request so many times, one after another."""
        data = self.admin.get("configmap", trust_config_map(self.policy), NAMESPACE)["data"]
        asked = {
            "where": data[SIGNER_ADDRESSES],
            "ca": data[SIGNER_CA],
            "path": path,
            "times": times,
            "headers": {"Authorization": f"Bearer {token}"},
            "body": base64.b64encode(pkcs10() if body is None else body).decode(),
        }
        where = ("-n", self.namespace, "exec", "-i", self.pod, "-c", "idle", "--")
        said = self.admin.run(*where, "python3", "-c", PROGRAM, stdin=json.dumps(asked))
        found = map(json.loads, said.splitlines())
        return [
            Answered(status, headers, json.loads(text) if text.startswith("{") else {})
            for status, headers, text in found
        ]


def weak_pkcs10() -> bytes:
    """Return one for a key that no certificate is issued for."""
    return pkcs10(rsa.generate_private_key(65537, 2048))


def token_of(cluster: Cluster, made: Json) -> str:
    """Return a token that is bound to a pod, as its kubelet gets it."""
    return bound_token(Kubectl(cluster.node_kubeconfig(made["spec"]["nodeName"])), made, SIGNER_AUDIENCE)
