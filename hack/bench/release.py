"""The operator's release, with other values for a while."""

from hack.cluster import Cluster
from hack.install import CHART, NAMESPACE, RELEASE, helm
from hack.kubectl import Kubectl


def upgrade(cluster: Cluster, admin: Kubectl, *values: str) -> None:
    """Set values (``name=value``), keep all others, and wait until all processes run with them."""
    options = [part for value in values for part in ("--set", value)]
    helm(cluster, "upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE, "--reuse-values", *options)
    for process in ("controller", "signer", "injector"):
        admin.run("-n", NAMESPACE, "rollout", "status", f"deployment/sovereign-{process}", "--timeout=3m")
