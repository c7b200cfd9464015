"""The ways in which sidecars can get certificates, and pods can be placed: what an admin or the chart chooses."""

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl
from sovereign_operator.core.names import HOST_ROLE_LABEL
from sovereign_operator.core.sidecar.token_volume import sidecar_asks
from sovereign_operator.kube.objects.pod import signers_of
from tests.e2e.support.installation import upgrade


def switch(admin: Kubectl, cluster: Cluster, values: str) -> None:
    """Upgrade the release, and wait until all its processes are as the chart has them."""
    upgrade(cluster, "--set", values)
    for process in ("controller", "signer", "injector"):
        admin.run("-n", NAMESPACE, "rollout", "status", f"deployment/sovereign-{process}", "--timeout=120s")


def listing(admin: Kubectl) -> set[str]:
    """Return the policies whose role lists namespaces, although they do not."""
    listed = {
        role["metadata"]["labels"][HOST_ROLE_LABEL]
        for role in admin.list("clusterroles", selector=HOST_ROLE_LABEL)
        if any("certify" in rule["verbs"] for rule in role["rules"])
    }
    policies = admin.list("sovereigntypolicies")
    return listed - {found["metadata"]["name"] for found in policies if "certificateNamespaces" in found["spec"]}


def asking(made: Json) -> str:
    """Return who asks for the certificate of a pod's sidecar."""
    return "sidecar" if sidecar_asks(made) else "kubelet" if signers_of(made) else "nobody"
