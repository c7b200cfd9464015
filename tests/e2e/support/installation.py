"""The operator as the tests install it, and who uses the cluster."""

from hack.cluster import Cluster
from hack.install import CHART, NAMESPACE, RELEASE, helm, install
from hack.kubectl import Kubectl
from tests.e2e.support.estate import restore_estate

MALLORY = "mallory"

OPTIONS = (
    "--set",
    "controller.leaseDurationSeconds=6,signer.leaseDurationSeconds=6,identity.propagationSeconds=20",
    "--set",
    "encryption.enabled=true",
    "--set",
    "controller.templateNamespaces={anywhere}",
)
"""What Helm is told, so that the tests need not wait, and so that all there is is installed."""


def prepare(cluster: Cluster) -> None:
    """Put the operator and the estate on a cluster."""
    install(cluster, *OPTIONS)
    restore_estate(admin_of(cluster))


def upgrade(cluster: Cluster, *options: str) -> None:
    """Install the same again, as somebody does who was told to. Only hooks are waited for."""
    helm(cluster, "upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE, "--reuse-values", *options)


def admin_of(cluster: Cluster) -> Kubectl:
    """Return somebody whom RBAC allows everything."""
    return Kubectl(cluster.kubeconfig)
