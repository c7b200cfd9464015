"""The nodes whose kubelets do not support pod certificates."""

from sovereign_operator.core.identity.kubelets import supports_pod_certificates
from sovereign_operator.kube.objects.node import ObservedNode


class FormerKubelets:
    """Kept up to date by ``note``."""

    def __init__(self) -> None:
        self.nodes: set[str] = set()
        """Their names."""

    def note(self, name: str, node: ObservedNode | None) -> bool:
        """Record a node as it is now; None: gone. Return whether that changes anything."""
        former = node is not None and not supports_pod_certificates(node.kubelet)
        if former is (name in self.nodes):
            return False
        self.nodes ^= {name}
        return True
