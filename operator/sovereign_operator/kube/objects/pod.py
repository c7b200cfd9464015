"""What the operator's processes keep of a Pod: the fields on which decisions depend."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sovereign_operator.core import names
from sovereign_operator.core.identity.certificate_note import CertificateNote
from sovereign_operator.core.kubernetes.mirror_pod import is_mirror_pod
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.core.report.reasons import line
from sovereign_operator.core.sidecar.contract import TRUST_PREFIX, bypass_of, policy_named, transit_policy
from sovereign_operator.core.sidecar.token_volume import sidecar_asks
from sovereign_operator.core.workload.facts import WorkloadPod
from sovereign_operator.core.workload.owner import Owner, pod_itself, top_owner
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.objects.fields import text, with_prefix

PLACEMENT_PREFIX = names.node_policy_label("")
ANY_BUNDLE = "*"
"""Stands for the trust bundle of any policy."""
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
    """Whether it is a mirror pod, which represents a static pod of its node."""
    ended: bool
    terminating: bool
    bundles: frozenset[str]
    """Names of our trust bundles that it mounts, in any form; ANY_BUNDLE if a selector names no policy."""
    trust: str = ""
    """The policy whose trust ConfigMap it mounts; empty if it mounts none."""
    transit: str = ""
    """The policy whose transit config its sidecar loads; empty without a sidecar."""
    bypass: str = ""
    """A container whose traffic bypasses the sidecar; empty if there is no such container."""
    addresses: tuple[str, ...] = ()
    """Its IP addresses, one of each family; empty until the pod has any."""
    gated: bool = False
    """Whether no scheduler looks at it yet, as it has scheduling gates."""
    controlled_by: Owner | None = None
    """The top owner, for display only: see ``top_owner``. None: no object controls the pod."""

    @property
    def owner(self) -> Owner:
        """Its top owner, which is the pod itself if no object controls it. For display only."""
        return self.controlled_by or pod_itself(self.pod.name)

    @property
    def beyond_injection(self) -> bool:
        """Whether it is a mirror pod without a sidecar: no sidecar can be injected, and it may not even run."""
        return self.static and not self.transit


def see_pod(obj: Json) -> ObservedPod:
    """Read a Pod. Raises TypeError if its node name, an address or its owner is not text."""
    metadata, status = obj["metadata"], obj.get("status", {})
    node = text(obj["spec"], "nodeName")
    trust = policy_named(_projected(obj), TRUST_PREFIX)
    annotations = with_prefix(metadata.get("annotations", {}), AUDIT_PREFIX)
    return ObservedPod(
        metadata["namespace"],
        WorkloadPod(
            metadata["name"],
            metadata["uid"],
            node or None,
            "" if node else _scheduler_message(status),
            placed_for(obj["spec"]),
            certificate_volumes=signers_of(obj).count(names.SIGNER) + sidecar_asks(obj),
            certificate=CertificateNote.parse(annotations.get(names.CERTIFICATE_ANNOTATION, "")),
            ready=condition_of(status, "Ready").get("status") == "True",
        ),
        metadata.get("labels", {}),
        annotations,
        bundles=_bundles_of(obj, trust),
        trust=trust,
        # Guards checked the sidecar of pods that admission placed. Any other pod may have a container of that name.
        transit=transit_policy(obj) if names.PLACED_LABEL in metadata.get("labels", {}) else "",
        bypass=bypass_of(obj),
        static=is_mirror_pod(metadata.get("annotations", {})),
        addresses=tuple(text(entry, "ip") for entry in status.get("podIPs", ())),
        ended=status.get("phase") in ENDED_PHASES,
        terminating="deletionTimestamp" in metadata,
        gated=condition_of(status, "PodScheduled").get("reason") == "SchedulingGated",
        controlled_by=_controlled_by(metadata),
    )


def _controlled_by(metadata: Json) -> Owner | None:
    """Return the top owner. The pods of one owner share its texts."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            direct = Owner(text(reference, "apiVersion"), text(reference, "kind"), text(reference, "name"))
            return Owner(*map(sys.intern, top_owner(direct, metadata.get("labels", {}))))
    return None


def placed_for(pod_spec: Json) -> frozenset[str]:
    """Return the policies whose nodes a pod selects: admission writes that into the pods that a policy holds."""
    selector = pod_spec.get("nodeSelector") or {}
    return frozenset(key.removeprefix(PLACEMENT_PREFIX) for key in selector if key.startswith(PLACEMENT_PREFIX))


def signers_of(pod: Json) -> list[str]:
    """Return the signer of each certificate that a pod's volumes request. Volumes that are not mounted do not count."""
    return [source["podCertificate"]["signerName"] for source in _projected(pod) if "podCertificate" in source]


def _bundles_of(pod: Json, trust: str) -> frozenset[str]:
    sources = [source["clusterTrustBundle"] for source in _projected(pod) if "clusterTrustBundle" in source]
    named = {source["name"] for source in sources if source.get("name", "").startswith(names.trust_bundle(""))}
    selected = [source for source in sources if source.get("signerName") == names.SIGNER]
    labels = [(source.get("labelSelector") or {}).get("matchLabels") or {} for source in selected]
    policies = [label.get(names.TRUST_BUNDLE_LABEL) for label in labels]
    if trust:
        policies.append(trust)
    return frozenset(named | {names.trust_bundle(policy) if policy else ANY_BUNDLE for policy in policies})


def _projected(pod: Json) -> Iterator[Json]:
    """Yield the sources of a pod's projected volumes. A kubelet does not create a volume that no container mounts."""
    spec = pod["spec"]
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", ())}
    for volume in spec.get("volumes") or ():
        if volume["name"] not in mounted:
            continue
        yield from (volume.get("projected") or {}).get("sources") or ()


def _scheduler_message(status: Json) -> str:
    scheduled = condition_of(status, "PodScheduled")
    return line(str(scheduled.get("message", ""))) if scheduled.get("status") == "False" else ""
