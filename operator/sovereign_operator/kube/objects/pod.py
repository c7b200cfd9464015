"""What we keep of a Pod: as much as decisions need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sovereign_operator.core import names
from sovereign_operator.core.identity.certificate_note import CertificateNote
from sovereign_operator.core.kubernetes.mirror_pod import is_mirror_pod
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.core.report.reasons import line
from sovereign_operator.core.sidecar.contract import bypass_of, transit_policy
from sovereign_operator.core.workload.facts import WorkloadPod
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.objects.fields import text, with_prefix

PLACEMENT_PREFIX = names.node_policy_label("")
ANY_BUNDLE = "*"
AUDIT_PREFIX = names.audit_annotation("")
ENDED_PHASES = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True)
class ObservedPod:
    """A Pod: the facts, its labels, and our annotations on it."""

    namespace: str
    pod: WorkloadPod
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    """The audit annotations only."""
    static: bool
    """Whether it is a mirror pod, which shows what its node runs by itself."""
    ended: bool
    terminating: bool
    bundles: frozenset[str]
    """The trust bundles of ours that it mounts, by name; ANY_BUNDLE where its selector leaves open which."""
    transit: str = ""
    """The policy that its sidecar goes by; empty if it has none."""
    bypass: str = ""
    """A container of it whose traffic goes past the sidecar, if it has one; empty if none does."""
    addresses: tuple[str, ...] = ()
    """Its IP addresses, of which there is one of each family; none yet, perhaps."""

    @property
    def beyond_injection(self) -> bool:
        """Whether its node shows it, and it has no sidecar: nobody can give it one, nor know that it runs at all."""
        return self.static and not self.transit


def see_pod(obj: Json) -> ObservedPod:
    """Keep what matters of a Pod."""
    metadata, status = obj["metadata"], obj.get("status", {})
    node, selector = text(obj["spec"], "nodeName"), obj["spec"].get("nodeSelector", {})
    annotations = with_prefix(metadata.get("annotations", {}), AUDIT_PREFIX)
    return ObservedPod(
        metadata["namespace"],
        WorkloadPod(
            metadata["name"],
            metadata["uid"],
            node or None,
            "" if node else _scheduler_says(status),
            frozenset(key.removeprefix(PLACEMENT_PREFIX) for key in selector if key.startswith(PLACEMENT_PREFIX)),
            certificate_volumes=signers_of(obj).count(names.SIGNER),
            certificate=CertificateNote.parse(annotations.get(names.CERTIFICATE_ANNOTATION, "")),
            ready=condition_of(status, "Ready").get("status") == "True",
        ),
        metadata.get("labels", {}),
        annotations,
        bundles=_bundles_of(obj),
        # Guards looked at those that admission placed. Of any other, a container of that name says nothing.
        transit=transit_policy(obj) if names.PLACED_LABEL in metadata.get("labels", {}) else "",
        bypass=bypass_of(obj),
        static=is_mirror_pod(metadata.get("annotations", {})),
        addresses=tuple(found["ip"] for found in status.get("podIPs", ())),
        ended=status.get("phase") in ENDED_PHASES,
        terminating="deletionTimestamp" in metadata,
    )


def signers_of(pod: Json) -> list[str]:
    """Return the signers whose certificates a pod's volumes ask for, one for each that a container mounts."""
    return [source["podCertificate"]["signerName"] for source in _projected(pod) if "podCertificate" in source]


def _bundles_of(pod: Json) -> frozenset[str]:
    found = [source["clusterTrustBundle"] for source in _projected(pod) if "clusterTrustBundle" in source]
    named = {bundle["name"] for bundle in found if bundle.get("name", "").startswith(names.trust_bundle(""))}
    chosen = [bundle for bundle in found if bundle.get("signerName") == names.SIGNER]
    labels = [(bundle.get("labelSelector") or {}).get("matchLabels") or {} for bundle in chosen]
    policies = [label.get(names.TRUST_BUNDLE_LABEL) for label in labels]
    return frozenset(named | {names.trust_bundle(policy) if policy else ANY_BUNDLE for policy in policies})


def _projected(pod: Json) -> Iterator[Json]:
    """Yield what a pod's projected volumes are made of. A kubelet makes none that no container mounts."""
    spec = pod["spec"]
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", ())}
    for volume in spec.get("volumes") or ():
        if volume["name"] not in mounted:
            continue
        yield from (volume.get("projected") or {}).get("sources") or ()


def _scheduler_says(status: Json) -> str:
    scheduled = condition_of(status, "PodScheduled")
    return line(str(scheduled.get("message", ""))) if scheduled.get("status") == "False" else ""
