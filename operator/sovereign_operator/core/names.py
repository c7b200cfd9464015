"""Every label, annotation and RBAC name that we write or read, once.

The admission policies in the chart spell the same names a second time, because an admin reviews
them there; a test against a real API server proves that the two agree.
"""

from typing import Final

GROUP: Final = "sovereignty.dev"
FIELD_MANAGER: Final = "sovereign-operator"

ENFORCE_LABEL: Final = "sovereignty.dev/enforce"
"""On a namespace: the policy that every pod in it is held to."""

WARN_LABEL: Final = "sovereignty.dev/warn"
AUDIT_LABEL: Final = "sovereignty.dev/audit"
"""On a namespace: a policy to try. No pod is held to it; warnings and the audit log say what it would refuse."""

POLICY_LABEL: Final = "sovereignty.dev/policy"
"""On a workload and its pod template: the policy that its pods are held to."""

PLACED_LABEL: Final = "sovereignty.dev/placed-for"
"""On a pod or a DaemonSet: the policy whose node label admission had it select on."""

RENDERED_ANNOTATION: Final = "sovereignty.dev/rendered"
"""On a workload made from a template: what was rendered, as 16 hexadecimal digits."""

NODE_DATACENTRE_LABEL: Final = "sovereignty.node-restriction.kubernetes.io/datacentre"
"""On a node: the datacentre that it stands in. A kubelet cannot write this suffix."""

NODE_UID_LABEL: Final = "sovereignty.node-restriction.kubernetes.io/verified-uid"
"""On a node: the uid that was verified. One that differs from metadata.uid counts for nothing."""

ACCEPTED: Final = "accepted"

NOT_ACCEPTED_TAINT: Final = "sovereignty.dev/not-accepted"
"""On a node that keeps a policy's label for its running pods but may not start new ones."""

HOST_ROLE_LABEL: Final = "sovereignty.dev/host-role"
"""On a ClusterRole of the operator and its binding: the policy whose nodes it lists."""

REQUESTED_BY_ANNOTATION: Final = "audit.sovereignty.dev/requested-by"
"""On a SovereignWorkload or a Derogation: who last wrote its spec. Stamped by admission."""

GUARD_SELECTOR: Final = "app.kubernetes.io/name=sovereign-operator"
"""What the chart puts on our admission policies and their bindings."""

GUARD_PREFIX: Final = "sovereignty-guard-"
"""How the names of our admission policies that refuse begin, which stand in each refusal."""

COMPONENT_LABEL: Final = "app.kubernetes.io/component"
"""On each pod of the operator: which process it is."""

GUARDS_LABEL: Final = "sovereignty.dev/guards"
"""On a ConfigMap with what a version of the chart has them say: 16 hexadecimal digits that stand for it."""

SIGNER: Final = "sovereignty.dev/workload-identity"
"""Whose certificates prove where a pod runs: a podCertificate volume names it."""

SIGNER_AUDIENCE: Final = "sovereignty.dev/signer"
"""The audience of the tokens by which sidecars prove to the signer which pod they are in."""

SIGNER_SERVICE: Final = "sovereign-signer"
"""The signer's Service, by which sidecars reach it."""

AUTHORITY_LABEL: Final = "sovereignty.dev/authority"
"""On a Secret with a certificate authority: what becomes of it: see State in identity/retirement.py."""

AUTHORITY_PUBLISHED_ANNOTATION: Final = "sovereignty.dev/published"
"""On such a Secret: since when it has been in its policy's bundle, RFC 3339."""

AUTHORITY_POLICY_ANNOTATION: Final = "sovereignty.dev/policy"
AUTHORITY_DATACENTRE_ANNOTATION: Final = "sovereignty.dev/datacentre"
"""On such a Secret: for pods of which policy, in which datacentre, it signs."""

TRUST_BUNDLE_LABEL: Final = "sovereignty.dev/trust-of"
"""On a ClusterTrustBundle or a trust ConfigMap of the operator: the policy whose pods trust it."""

AUTHORITIES_ANNOTATION: Final = "sovereignty.dev/authorities"
"""On such a bundle: fingerprint, policy and datacentre of each authority whose certificate does not say them."""

CERTIFICATE_ANNOTATION: Final = "audit.sovereignty.dev/certificate"
"""On a pod: until when its certificate is valid, its serial, policy, datacentre and authority."""

TRUST_BUNDLE_ANNOTATION: Final = "audit.sovereignty.dev/trust-bundle"
"""On a pod: a digest of its trust bundles. A change has the kubelet update the mounted files at once."""

TRANSIT_LABEL: Final = "sovereignty.dev/transit-of"
"""On a transit config: the policy whose sidecars load it."""

TRANSIT_ANNOTATION: Final = "audit.sovereignty.dev/transit"
"""On a pod: the version of the transit config. A change has the kubelet update the mounted file at once."""

AGENT_REPORT_LABEL: Final = "sovereignty.dev/agent-report"
"""On a ConfigMap in the operator's namespace: the agent of a node says there which rules it has loaded."""

REPORT: Final = "sovereignty"
"""The name of the Report (or PolicyReport) of a namespace."""

REPORT_LABEL: Final = "sovereignty.dev/report"
"""On such a Report: what it is about. Only the controller writes Reports with this label or that name."""

LEFT_OUT_ANNOTATION: Final = "sovereignty.dev/results-left-out"
"""On such a Report: how many results have no room in it. Its summary counts them."""

BACKUP_EXCLUDES_ANNOTATION: Final = "backup.velero.io/backup-volumes-excludes"
"""On a pod, of Velero: names of volumes, with commas between, that it does not save with all others."""

SAFE_TO_EVICT_ANNOTATION: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
"""On a pod, of Cluster Autoscaler: names of volumes, with commas between, that do not keep it from emptying a node."""

DEFAULT_CONTAINER_ANNOTATION: Final = "kubectl.kubernetes.io/default-container"
"""On a pod: the container that kubectl means where a command names none.
https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-default-container"""

SIDECAR_ANNOTATIONS: Final = {
    f"{GROUP}/sidecar-{resource}-{kind.removesuffix('s')}": (kind, resource)
    for resource in ("cpu", "memory")
    for kind in ("requests", "limits")
}
"""On a pod, or on a namespace for all its pods: what their sidecars have of a resource, as a quantity. By annotation,
kind and resource: ``sovereignty.dev/sidecar-memory-limit`` is ``limits.memory``."""

INJECTOR: Final = "sovereign-injector"
"""The injector's Service, and the MutatingWebhookConfiguration that sends the API server there."""

INJECTOR_CA: Final = "sovereign-injector-ca"
"""The Secret with the authority that signs the injector's certificates, and the ConfigMap that says whom to trust."""

CA_BUNDLE: Final = "ca.crt"
"""The key of that ConfigMap: certificates in PEM, which the caBundle of the webhooks holds."""

LONGEST_NAME: Final = 253
"""Characters of the name of a node, and of a ConfigMap."""

SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})
"""Never in scope, nor is the operator's own namespace."""


def node_policy_label(policy: str) -> str:
    """Return the key of the node label that pods of this policy select on."""
    return f"policy.sovereignty.node-restriction.kubernetes.io/{policy}"


def node_host_label(policy: str) -> str:
    """Return the key of the node label that a node has only while it may start pods of this policy.

    While a refused node keeps the label that running pods select on, new pods ask for this one as well.
    """
    return f"host.sovereignty.node-restriction.kubernetes.io/{policy}"


def is_own_node_label(label: str) -> bool:
    """Whether a node label is one that we alone write."""
    return label.startswith((node_policy_label(""), node_host_label(""), NODE_UID_LABEL.rpartition("/")[0] + "/"))


def verdict_annotation(policy: str) -> str:
    """Return the key of the node annotation that says what this policy thinks of the node."""
    return f"verdict.sovereignty.dev/{policy}"


def audit_annotation(fact: str) -> str:
    """Return the key of one audit annotation on a pod."""
    return f"audit.sovereignty.dev/{fact}"


def is_record(key: str) -> bool:
    """Whether an annotation is of the operator's record: an audit annotation of a pod, or a verdict on a node."""
    return key.startswith((audit_annotation(""), verdict_annotation("")))


def host_role(policy: str) -> str:
    """Return the name of the ClusterRole, and of its binding, that lists a policy's nodes."""
    return f"sovereignty:host:{policy}"


def policy_service_account(policy: str) -> str:
    """Return the name of the service account that stands for a policy. It never exists."""
    return f"policy-{policy}"


def trust_bundle(policy: str) -> str:
    """Return the name of the ClusterTrustBundle that the pods of a policy trust."""
    return f"{SIGNER.replace('/', ':')}:{policy}"


def injector_hosts(namespace: str) -> tuple[str, ...]:
    """Return the names by which an API server knows the injector's Service: it asks for the second one."""
    return _hosts(INJECTOR, namespace)


def signer_hosts(namespace: str) -> tuple[str, ...]:
    """Return the names in the certificates of the signer's Service: sidecars expect the second one."""
    return _hosts(SIGNER_SERVICE, namespace)


def _hosts(service: str, namespace: str) -> tuple[str, ...]:
    name = f"{service}.{namespace}"
    return name, f"{name}.svc", f"{name}.svc.cluster.local"


def agent_report(node: str) -> str:
    """Return the name of the ConfigMap of a node's agent, which a guard computes, too.

    A node's name may be as long as a ConfigMap's. The operator's other ConfigMaps have shorter names.
    """
    name = f"agent.{node}"
    return name if len(name) <= LONGEST_NAME else node


def guards_config_map(digest: str) -> str:
    """Return the name of the ConfigMap with the list of guards that these digits stand for."""
    return f"sovereign-guards-{digest}"


def authority_secret(policy: str, datacentre: str, number: int) -> str:
    """Return the name of the Secret with a certificate authority; ``number`` tells it from its successor."""
    return f"authority.{policy}.{datacentre}.{number}"
