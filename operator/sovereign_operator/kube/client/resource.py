"""The resource types that the operator uses, and the API paths of their objects."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from sovereign_operator.api import v1alpha1
from sovereign_operator.api.v1alpha1.kind import Scope
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.admission.webhooks import WEBHOOKS
from sovereign_operator.core.names import SIGNER
from sovereign_operator.core.workload.manifests import API_VERSIONS, PLURALS


@dataclass(frozen=True)
class Resource:
    """One resource type. ``api_version`` is group/version, or v1 for the core group."""

    api_version: str
    plural: str
    kind: str
    namespaced: bool = False

    @property
    def header(self) -> dict[str, str]:
        """The apiVersion and kind of an object of this type."""
        return {"apiVersion": self.api_version, "kind": self.kind}

    def path(self, name: str | None = None, namespace: str | None = None, subresource: str | None = None) -> str:
        """Return the path of a collection, an object, or a subresource of an object."""
        prefix = "/api" if self.api_version == "v1" else "/apis"
        parts = [prefix, self.api_version]
        if namespace and self.namespaced:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


NODES: Final = Resource("v1", "nodes", "Node")
PODS: Final = Resource("v1", "pods", "Pod", namespaced=True)
NAMESPACES: Final = Resource("v1", "namespaces", "Namespace")
SERVICE_ACCOUNTS: Final = Resource("v1", "serviceaccounts", "ServiceAccount", namespaced=True)
CONFIG_MAPS: Final = Resource("v1", "configmaps", "ConfigMap", namespaced=True)
SERVICES: Final = Resource("v1", "services", "Service", namespaced=True)
VOLUME_CLAIMS: Final = Resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)
VOLUMES: Final = Resource("v1", "persistentvolumes", "PersistentVolume")
LIMIT_RANGES: Final = Resource("v1", "limitranges", "LimitRange", namespaced=True)
QUOTAS: Final = Resource("v1", "resourcequotas", "ResourceQuota", namespaced=True)
RUNTIME_CLASSES: Final = Resource("node.k8s.io/v1", "runtimeclasses", "RuntimeClass")
SECRETS: Final = Resource("v1", "secrets", "Secret", namespaced=True)
EVENTS: Final = Resource("v1", "events", "Event", namespaced=True)
ENDPOINT_SLICES: Final = Resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", namespaced=True)
NETWORK_POLICIES: Final = Resource("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", namespaced=True)
CLUSTER_ROLES: Final = Resource("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole")
CLUSTER_ROLE_BINDINGS: Final = Resource("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding")
CRDS: Final = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition")
LEASES: Final = Resource("coordination.k8s.io/v1", "leases", "Lease", namespaced=True)
SUBJECT_ACCESS_REVIEWS: Final = Resource("authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview")
TOKEN_REVIEWS: Final = Resource("authentication.k8s.io/v1", "tokenreviews", "TokenReview")
SELF_REVIEWS: Final = Resource("authentication.k8s.io/v1", "selfsubjectreviews", "SelfSubjectReview")
CERTIFICATE_REQUESTS: Final = Resource(
    "certificates.k8s.io/v1", "podcertificaterequests", "PodCertificateRequest", namespaced=True
)
FOR_OUR_SIGNER: Final = f"spec.signerName={SIGNER}"
"""The field selector of the PodCertificateRequests that our signer answers."""
TRUST_BUNDLES: Final = Resource("certificates.k8s.io/v1", "clustertrustbundles", "ClusterTrustBundle")
REPORTS: Final = Resource("openreports.io/v1alpha1", "reports", "Report", namespaced=True)
POLICY_REPORTS: Final = Resource("wgpolicyk8s.io/v1alpha2", "policyreports", "PolicyReport", namespaced=True)
ADMISSION: Final = {
    kind: Resource("admissionregistration.k8s.io/v1", plural, kind)
    for kind, plural in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
        ("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
        ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
        (WEBHOOKS, "mutatingwebhookconfigurations"),
    )
}
"""By kind, what admission is made of."""
NOT_EVERYWHERE: Final = frozenset({"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"})
"""Those of them that only newer API servers serve."""

MUTATING_WEBHOOKS: Final = ADMISSION[WEBHOOKS]

CALLERS: Final = (
    MUTATING_WEBHOOKS,
    Resource("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
    Resource("apiregistration.k8s.io/v1", "apiservices", "APIService"),
    CRDS,
)
"""What has the API server call Services: see core/encryption/api_server.py."""

OURS: Final = {
    kind.plural: Resource(
        f"{v1alpha1.GROUP}/{v1alpha1.VERSION}", kind.plural, kind.name, kind.scope is Scope.NAMESPACED
    )
    for kind in v1alpha1.KINDS
}

WORKLOADS: Final = {
    kind: Resource(API_VERSIONS[kind], PLURALS[kind], kind.value, namespaced=True) for kind in WorkloadKind
}
