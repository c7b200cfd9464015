"""What an answer to a request for a certificate depends on in the pod and its node, as they are read live."""

from sovereign_operator.core import names
from sovereign_operator.core.identity.request import LiveNode, LivePod
from sovereign_operator.core.kubernetes.mirror_pod import is_mirror_pod
from sovereign_operator.core.sidecar.token_volume import sidecar_asks
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.objects.pod import ENDED_PHASES, signers_of


def live_pod(pod: Json) -> LivePod:
    """Keep of a pod what an answer depends on."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    return LivePod(
        uid=metadata["uid"],
        node=spec.get("nodeName", ""),
        service_account=spec.get("serviceAccountName", ""),
        ending="deletionTimestamp" in metadata or status.get("phase") in ENDED_PHASES,
        mirror=is_mirror_pod(metadata.get("annotations", {})),
        mounts_signer=names.SIGNER in signers_of(pod),
        sidecar_asks=sidecar_asks(pod),
        addresses=tuple(entry["ip"] for entry in status.get("podIPs") or ()),
    )


def live_node(node: Json) -> LiveNode:
    """Keep of a node what an answer depends on."""
    labels = node["metadata"].get("labels", {})
    datacentre = labels.get(names.NODE_DATACENTRE_LABEL, "")
    return LiveNode(node["metadata"]["uid"], labels.get(names.NODE_UID_LABEL, ""), datacentre)
