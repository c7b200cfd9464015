"""Reads what the volumes of pods demand of nodes, as far as a preview can know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sovereign_operator.core.kubernetes.claims import never_bound
from sovereign_operator.core.kubernetes.node_fit import Demand, volume_demands
from sovereign_operator.kube.client.api import Json


@dataclass(frozen=True)
class PodClaim:
    """A PersistentVolumeClaim that a pod mounts."""

    name: str
    made: Json | None = None
    """What a controller makes it from, if it creates it together with the pod; None: people create it."""


@dataclass(frozen=True)
class Reach:
    """What the volumes of a pod demand of its node."""

    demands: tuple[Demand, ...] = ()
    unread: str = ""
    """What is not known of them, as a sentence."""
    stuck: str = ""
    """Why the pod gets no node at all, as a sentence."""


@dataclass(frozen=True)
class Volumes:
    """The claims of a namespace, and all volumes and StorageClasses; None where the caller may not read them."""

    claims: Mapping[str, Json] | None
    volumes: Mapping[str, Json] | None
    classes: Mapping[str, Json] | None

    def reach(self, claims: Iterable[PodClaim]) -> Reach:
        """Return what the volumes of claims demand of nodes."""
        found = [self._reach(claim) for claim in claims]
        return Reach(
            tuple(demand for one in found for demand in one.demands),
            next((one.unread for one in found if one.unread), ""),
            next((one.stuck for one in found if one.stuck), ""),
        )

    def _reach(self, wanted: PodClaim) -> Reach:
        name = wanted.name
        if self.claims is None:
            return Reach(unread=f"you may not read PersistentVolumeClaims, such as {name}, which its pods mount")
        claim = self.claims.get(name, wanted.made)
        if claim is None:
            return Reach(stuck=f"claim {name} does not exist: its pods wait until somebody creates it")
        bound = (claim.get("spec") or {}).get("volumeName")
        if not bound:
            return self._reach_unbound(name, claim)
        if self.volumes is None or bound not in self.volumes:
            return Reach(unread=f"you may not read PersistentVolume {bound} of claim {name}, which its pods mount")
        return Reach(volume_demands(name, self.volumes[bound]))

    def _reach_unbound(self, name: str, claim: Json) -> Reach:
        if self.classes is not None and self.volumes is not None:
            never = never_bound(name, claim, self.classes, self.volumes.values())
            if never:
                return Reach(stuck=never)
        return Reach(unread=f"claim {name} is not bound yet: which nodes reach its volume is not known")


def claims_of(spec: Json) -> list[PodClaim]:
    """Return the claims in the volumes of a pod template; those of ephemeral volumes have the name of the volume."""
    found = []
    for volume in spec.get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            found.append(PodClaim(volume["persistentVolumeClaim"]["claimName"]))
        elif volume.get("ephemeral"):
            # Each pod has one of its own, so that the next pod has another one than those that there are.
            made = volume["ephemeral"].get("volumeClaimTemplate") or {}
            found.append(PodClaim(f"of volume {volume['name']}", made))
    return found
