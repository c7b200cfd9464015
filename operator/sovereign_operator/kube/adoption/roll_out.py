"""What a roll-out of a workload would demand of nodes, by its pod template and the volumes that its pods use."""

from collections.abc import Iterable

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.kubernetes.node_fit import (
    DAEMON_TOLERATIONS,
    Demand,
    PodDemands,
    demands_of,
    volume_demands,
)
from sovereign_operator.core.workload.adoption import RollOut, replaced, stops_first
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.resource import VOLUME_CLAIMS, VOLUMES
from sovereign_operator.kube.objects.workload import pod_template


async def read_roll_out(api: Api, kind: WorkloadKind, workload: Json) -> RollOut:
    """Return the demands of the pods that a roll-out would create, and whether it stops their predecessors first.

    ``workload`` is the whole object. Reads its PersistentVolumeClaims and their volumes. Raises ApiError.
    """
    namespace, name = workload["metadata"]["namespace"], workload["metadata"]["name"]
    spec, template = workload["spec"], pod_template(kind, workload)["spec"]
    demands, shared = demands_of(template), claims_of(template)
    tolerations = tuple(template.get("tolerations") or ())
    if kind is WorkloadKind.DAEMON_SET:
        tolerations += DAEMON_TOLERATIONS
    pods = {f"a pod of {kind.value} {name}": shared}
    if kind is WorkloadKind.STATEFUL_SET:
        own = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates") or ()]
        pods = {
            f"{name}-{ordinal}": [*shared, *(f"{claim}-{name}-{ordinal}" for claim in own)]
            for ordinal in replaced(spec, (workload.get("status") or {}).get("replicas", 0))
        }
    pod_demands = [
        PodDemands(pod, (*demands, *await _volumes(api, namespace, claims)), tolerations)
        for pod, claims in pods.items()
    ]
    return RollOut(tuple(pod_demands), stops_first(kind, spec))


def claims_of(pod_spec: Json) -> list[str]:
    """Return the names of the PersistentVolumeClaims in the volumes of a pod template."""
    volumes = pod_spec.get("volumes") or ()
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if volume.get("persistentVolumeClaim")]


async def _volumes(api: Api, namespace: str, claims: Iterable[str]) -> list[Demand]:
    """Return what the volumes of claims demand. A claim that is not bound demands nothing: it may bind anywhere."""
    demands: list[Demand] = []
    for claim in claims:
        try:
            bound = (await api.get(VOLUME_CLAIMS, claim, namespace))["spec"].get("volumeName")
            if bound:
                demands += volume_demands(claim, await api.get(VOLUMES, bound))
        except NotFoundError:
            continue
    return demands
