"""Two pods with sidecars, and the network between them."""

from typing import Any

from hack.dataplane.pods import Road, authority
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode

BREST, LYON = authority("brest"), authority("lyon")


def start(pods: Road, mode: EncryptionMode, **fields: Any) -> None:
    for pod in (pods.client, pods.server):
        pod.tell(mode, **fields)
        pod.start()
    for pod in (pods.client, pods.server):
        pods.until_ready(pod)
