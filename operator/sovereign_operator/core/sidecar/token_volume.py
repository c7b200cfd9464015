"""Whether a pod's sidecar asks the signer for its certificate itself, with a token of its pod.

A token says which pod it is bound to, not which container holds it. So it counts only in a pod in which nothing but the
sidecar can hold one for the signer. Guards refuse all others where they are in scope.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sovereign_operator.core import names
from sovereign_operator.core.sidecar import contract as sidecar


def sidecar_asks(pod: Mapping[str, Any]) -> bool:
    """Whether the sidecar is the only container of a pod that can have a token for the signer.

    Its volume has to be as the injector writes it, and admission must have placed the pod: then guards have compared
    the sidecar with what the injector writes.
    """
    if sidecar.container_of(pod) is None or names.PLACED_LABEL not in (pod["metadata"].get("labels") or {}):
        return False
    volumes = [volume for volume in pod["spec"].get("volumes") or () if any(_tokens(volume))]
    return (
        [volume["name"] for volume in volumes] == [sidecar.IDENTITY_VOLUME]
        and [token.get("path") for token in _tokens(volumes[0])] == [sidecar.TOKEN]
        and [container["name"] for container in _mounting(pod["spec"])] == [sidecar.CONTAINER]
    )


def _tokens(volume: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the sources of a volume that are tokens for the signer."""
    for source in (volume.get("projected") or {}).get("sources") or ():
        token = source.get("serviceAccountToken") or {}
        if token.get("audience") == names.SIGNER_AUDIENCE:
            yield token


def _mounting(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the containers that mount the sidecar's identity."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            if any(mount["name"] == sidecar.IDENTITY_VOLUME for mount in container.get("volumeMounts") or ()):
                yield container
