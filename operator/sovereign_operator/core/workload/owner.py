"""To which object a pod belongs, for people: the Deployment, not its ReplicaSet.

This is for display only, and nothing is decided by it. It is found without reading the owner: by the pod's owner
reference, and by how controllers name what they create.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

# Where these names come from:
# - Deployment: getReplicaSetsForDeployment and getNewReplicaSet in kubernetes/pkg/controller/deployment/sync.go.
# - Rollout of Argo: DefaultRolloutUniqueLabelKey in argo-rollouts/pkg/apis/rollouts/v1alpha1/types.go.
# - CronJob: getJobName in kubernetes/pkg/controller/cronjob/cronjob_controllerv2.go.
HASHED: Final = {
    "pod-template-hash": ("apps/v1", "Deployment"),
    "rollouts-pod-template-hash": ("argoproj.io/v1alpha1", "Rollout"),
}
"""Labels of pods with the hash at the end of their ReplicaSet's name, and what has such ReplicaSets."""

MINUTE_DIGITS: Final = 8
"""How many digits the minutes since 1970 have, until the year 2160."""
FIRST_MINUTE: Final = 24_500_000
"""A minute before there were CronJobs (2016). Jobs that people name by a date, such as 20261130, have lower numbers."""


class Owner(NamedTuple):
    """An object to which pods belong."""

    api_version: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def pod_itself(name: str) -> Owner:
    """Return what stands for the owner of a pod that no object controls."""
    return Owner("v1", "Pod", name)


def top_owner(controller: Owner, labels: Mapping[str, str]) -> Owner:
    """Return the owner of the object that controls a pod with these labels, or that object if it has none we know."""
    if controller.kind == "ReplicaSet":
        for label, (api_version, kind) in HASHED.items():
            name = controller.name.removesuffix(f"-{labels.get(label, '')}")
            if label in labels and name not in ("", controller.name):
                return Owner(api_version, kind, name)
    if controller.kind == "Job":
        name, _, minute = controller.name.rpartition("-")
        if name and len(minute) == MINUTE_DIGITS and minute.isdecimal() and int(minute) >= FIRST_MINUTE:
            return Owner(controller.api_version, "CronJob", name)
    return controller
