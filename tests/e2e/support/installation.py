"""The operator as the tests install it, and the users of the cluster."""

from hack.cluster import Cluster
from hack.install import CHART, NAMESPACE, RELEASE, helm, install
from hack.kubectl import Kubectl
from tests.e2e.support.estate import restore_estate

MALLORY = "mallory"
KARPENTER = "karpenter"
"""The user name with which Karpenter asks."""

OPTIONS = (
    "--set",
    "controller.leaseDurationSeconds=6,signer.leaseDurationSeconds=6,identity.propagationSeconds=20",
    "--set",
    "controller.templateNamespaces={anywhere}",
    "--set",
    f"placement.karpenterUsers={{{KARPENTER}}}",
)
"""Helm values that shorten the tests' waits, let the operator create workloads in a namespace without a policy, and let
a user promise that nodes will be accepted.
"""


def prepare(cluster: Cluster) -> None:
    """Install the operator and the example datacentres on a cluster."""
    install(cluster, *OPTIONS)
    restore_estate(admin_of(cluster))


def upgrade(cluster: Cluster, *options: str) -> None:
    """Upgrade the release with changed options. Helm waits only for the hooks."""
    helm(cluster, "upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE, "--reuse-values", *options)


def admin_of(cluster: Cluster) -> Kubectl:
    """Return a user to whom RBAC allows everything."""
    return Kubectl(cluster.kubeconfig)
