"""Pods before and after injection of the sidecar."""

import copy
from dataclasses import replace
from typing import Any

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import VOLUMES, probes_of
from sovereign_operator.core.sidecar.injection import SidecarSettings, inject

Json = dict[str, Any]

SHARE = {"requests": {"cpu": "20m"}}
SETTINGS = SidecarSettings("localhost/sovereign-sidecar:1", "IfNotPresent", SHARE, by_token=True)
BY_REQUEST = replace(SETTINGS, by_token=False)
"""With these, the kubelet asks for the certificate of a sidecar."""
EXCLUDES = "backup.velero.io/backup-volumes-excludes"
EVICTS = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
DEFAULT = "kubectl.kubernetes.io/default-container"


def pod(*containers: Json, **spec: Any) -> Json:
    """Return a pod with one container, unless others are given."""
    given = [*containers] or [{"name": "app", "image": "app"}]
    return {"metadata": {"generateName": "app-"}, "spec": {"containers": given, **spec}}


def app(name: str = "app", /, **fields: Any) -> Json:
    return {"name": name, "image": "app", **fields}


def injected(before: Json) -> Json:
    return inject(before, "hds", SETTINGS)


def sidecar_of(made: Json) -> Any:
    found = sidecar.container_of(made)
    assert found is not None
    return found


def told(made: Json) -> list[str]:
    return [str(probe) for probe in probes_of(sidecar_of(made))]


def stripped(made: Json) -> Json:
    """Return a pod without the parts that injection adds."""
    rest = copy.deepcopy(made)
    for key in (EXCLUDES, EVICTS):
        assert rest["metadata"]["annotations"].pop(key) == "sovereignty-run"
    rest["metadata"]["annotations"].pop(DEFAULT, None)
    if not rest["metadata"]["annotations"]:
        del rest["metadata"]["annotations"]
    for field, ours in (("initContainers", (sidecar.CONTAINER,)), ("volumes", VOLUMES)):
        rest["spec"][field] = [each for each in rest["spec"][field] if each["name"] not in ours]
        if not rest["spec"][field]:
            del rest["spec"][field]
    return rest
