"""Two pods with sidecars, and the network between them."""

from typing import Any

from hack.dataplane.pods import Road, authority
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar import contract as sidecar

BREST, LYON = authority("brest"), authority("lyon")
OFF, PERMISSIVE, PREFERRED, STRICT = EncryptionMode
EXCEPTED_PORT = 9090
SECRET = b"the-patient-has-measles"


def start(pods: Road, mode: EncryptionMode, **fields: Any) -> None:
    for pod in (pods.client, pods.server):
        pod.tell(mode, **fields)
        pod.start()
    for pod in (pods.client, pods.server):
        pods.until_ready(pod)


def rewrite(pods: Road, before: str, after: str) -> None:
    """Change a duration in the server's listeners before it starts: it would be too long or too short here."""
    told = pods.server.folder / "transit" / "..data" / sidecar.LISTENERS
    assert before in told.read_text()
    told.write_text(told.read_text().replace(before, after))
