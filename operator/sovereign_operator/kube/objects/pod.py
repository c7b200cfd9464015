"""What we keep of objects that others own: as much as decisions need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Node
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.core.report.reasons import MAX_LINE, line
from sovereign_operator.core.sidecar.contract import bypass_of, transit_policy
from sovereign_operator.core.workload.facts import Pod
from sovereign_operator.core.workload.pod_annotations import certificate_line
from sovereign_operator.kube.client.api import Json

VERDICT_PREFIX = names.verdict_annotation("")
PLACEMENT_PREFIX = names.node_policy_label("")
ANY_BUNDLE = "*"
AUDIT_PREFIX = names.audit_annotation("")
ENDED_PHASES = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True)
class NodeSeen:
    """A Node: the facts, and what we wrote on it."""

    node: Node
    annotations: Mapping[str, str]
    """The verdict annotations only."""
    taints: tuple[Mapping[str, Any], ...]
    version: str = field(compare=False)
    """Its resourceVersion. Heartbeats change it; nothing of ours depends on them."""
    avoided: bool = False
    """Whether it carries our taint."""


@dataclass(frozen=True)
class PodSeen:
    """A Pod: the facts, its labels, and our annotations on it."""

    namespace: str
    pod: Pod
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


@dataclass(frozen=True)
class Certificate:
    """What our signer issued to a pod."""

    pod: str
    pod_uid: str
    not_before: str
    refresh_at: str
    not_after: str
    """RFC 3339, UTC, as the other two: from when to when it counts, and when its kubelet asks for the next one."""
    said: str
    """Serial, policy, datacentre and authority, in words."""

    @property
    def line(self) -> str:
        """What the pod carries of it."""
        return certificate_line(self.not_after, self.said)


@dataclass(frozen=True)
class RoleSeen:
    """A ClusterRole or ClusterRoleBinding of ours: what it says, whatever else it carries."""

    policy: str
    content: Any
    uid: str
    version: str = field(compare=False)
    hosts: frozenset[str] = frozenset()
    """The nodes that may host the policy's pods, if it is a ClusterRole."""


def see_node(obj: Json) -> NodeSeen:
    """Keep what matters of a Node."""
    metadata, spec = obj["metadata"], obj.get("spec", {})
    return NodeSeen(
        Node(
            metadata["name"],
            metadata["uid"],
            metadata.get("labels", {}),
            # A kubelet writes it. What it contradicts, it does at its beginning.
            _text(spec, "providerID")[:MAX_LINE],
            _applied_labels(metadata),
        ),
        _with_prefix(metadata.get("annotations", {}), VERDICT_PREFIX),
        tuple(spec.get("taints", ())),
        metadata["resourceVersion"],
        any(taint["key"] == names.NOT_ACCEPTED_TAINT for taint in spec.get("taints", ())),
    )


def see_pod(obj: Json) -> PodSeen:
    """Keep what matters of a Pod."""
    metadata, status = obj["metadata"], obj.get("status", {})
    node, selector = _text(obj["spec"], "nodeName"), obj["spec"].get("nodeSelector", {})
    annotations = _with_prefix(metadata.get("annotations", {}), AUDIT_PREFIX)
    return PodSeen(
        metadata["namespace"],
        Pod(
            metadata["name"],
            metadata["uid"],
            node or None,
            "" if node else _scheduler_says(status),
            frozenset(key.removeprefix(PLACEMENT_PREFIX) for key in selector if key.startswith(PLACEMENT_PREFIX)),
            certificate_volumes=signers_of(obj).count(names.SIGNER),
            certificate=annotations.get(names.CERTIFICATE_ANNOTATION, ""),
            ready=condition_of(status, "Ready").get("status") == "True",
        ),
        metadata.get("labels", {}),
        annotations,
        bundles=_bundles_of(obj),
        # Guards looked at those that admission placed. Of any other, a container of that name says nothing.
        transit=transit_policy(obj) if names.PLACED_LABEL in metadata.get("labels", {}) else "",
        bypass=bypass_of(obj),
        static=names.MIRROR_ANNOTATION in metadata.get("annotations", {}),
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


def see_certificate(obj: Json) -> Certificate | None:
    """Keep what was issued to a pod by our signer."""
    spec, status = obj["spec"], obj.get("status", {})
    issued = condition_of(status, "Issued")
    if spec["signerName"] != names.SIGNER or not issued:
        return None
    times = status["notBefore"], status["beginRefreshAt"], status["notAfter"]
    return Certificate(spec["podName"], spec["podUID"], *times, issued["message"])


def see_role(obj: Json) -> RoleSeen:
    """Keep what a ClusterRole of ours, or its binding, says."""
    metadata = obj["metadata"]
    content = obj.get("rules") if "roleRef" not in obj else [obj["roleRef"], obj.get("subjects")]
    hosting = [rule for rule in obj.get("rules") or () if "nodes" in rule.get("resources", ())]
    hosts = frozenset(name for rule in hosting for name in rule.get("resourceNames", ()))
    policy = metadata["labels"][names.HOST_ROLE_LABEL]
    return RoleSeen(policy, content, metadata["uid"], metadata["resourceVersion"], hosts)


def _text(part: Json, field: str) -> str:
    """Return a field that is text if it is there. Raises TypeError if it is anything else."""
    found = part.get(field, "")
    if not isinstance(found, str):
        raise TypeError(f"{field} is no text")
    return found


def _with_prefix(annotations: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {key: value for key, value in annotations.items() if key.startswith(prefix)}


def _applied_labels(metadata: Json) -> frozenset[str]:
    """Return the keys of the labels that we applied and that nobody has written since."""
    return frozenset(
        field.removeprefix("f:")
        for entry in metadata.get("managedFields", ())
        if entry.get("manager") == names.FIELD_MANAGER and entry.get("operation") == "Apply"
        for field in entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:labels", {})
    )


def _scheduler_says(status: Json) -> str:
    scheduled = condition_of(status, "PodScheduled")
    return line(str(scheduled.get("message", ""))) if scheduled.get("status") == "False" else ""
