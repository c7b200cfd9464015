"""A pod whose sidecar asks a signer for its certificate: the files for that, and where the signer listens."""

import json
import socket

from hack.dataplane.pods import Pod, project
from sovereign_operator.core.sidecar import contract as sidecar
from tests.dataplane.roads import BREST
from tests.stand_in_signer import AUTHORITY, HOST, SERVING


def serve_at(pod: Pod) -> socket.socket:
    """Return a socket that listens in a pod's network, for a signer."""
    return pod.net.listen("127.0.0.1", 8443).bound


def give_token(pod: Pod, address: str) -> None:
    """Give a pod the files with which its sidecar asks the signer, in place of a certificate."""
    files = {
        sidecar.TOKEN: b"token-1",
        sidecar.TRUSTED: BREST.certificate_pem + AUTHORITY.certificate_pem,
        sidecar.SIGNER_CA: SERVING.certificate_pem,
        sidecar.SIGNER_ADDRESSES: json.dumps({"host": HOST, "addresses": [address]}).encode(),
    }
    project(pod.folder / "identity", files)
