"""The interface of a cluster, the same for both backends."""

import abc
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.spec import Backend


class Cluster(abc.ABC):
    """A running cluster. All methods raise ClusterError if they fail."""

    name: str
    backend: Backend
    kubernetes: str
    """The minor version, such as ``1.33``."""

    @property
    @abc.abstractmethod
    def kubeconfig(self) -> Path:
        """The administrator's credentials, in a context named after the cluster."""

    @property
    @abc.abstractmethod
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes."""

    @property
    @abc.abstractmethod
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON object a line, at Metadata level."""

    @property
    @abc.abstractmethod
    def machine(self) -> IPv4Address:
        """This machine's address as seen from pods."""

    @abc.abstractmethod
    def machine_certificate(self) -> tuple[Path, Path]:
        """Return (certificate, key) files for a server at that address, signed by the cluster's authority."""

    @abc.abstractmethod
    def down(self) -> None:
        """Remove the cluster and everything it created."""

    @abc.abstractmethod
    def load_image(self, archive: Path) -> tuple[str, ...]:
        """Load the images of an OCI archive onto all nodes; return their fully qualified names."""

    @abc.abstractmethod
    def node_exec(self, node: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in a node's network, for example curl to a ClusterIP or a pod's address.

        The local backend runs this machine's program, kind the one in the node image. A failure is only reported
        in ``returncode``.
        """

    @abc.abstractmethod
    def node_kubeconfig(self, node: str) -> Path:
        """Return credentials of that node's kubelet (``system:node:NAME`` in ``system:nodes``)."""

    @abc.abstractmethod
    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Return credentials of a user with this name and these groups, signed by the cluster's authority."""

    def stop_kubelet(self, node: str) -> None:
        """Stop a node's kubelet; its pods keep running."""
        raise self._refuse(f"stop the kubelet of {node}")

    def start_kubelet(self, node: str) -> None:
        """Start a node's kubelet, if it is not running."""
        raise self._refuse(f"start the kubelet of {node}")

    def restart_kubelet(self, node: str) -> None:
        """Stop a node's kubelet and start it again."""
        self.stop_kubelet(node)
        self.start_kubelet(node)

    def stop_apiserver(self) -> None:
        """Stop the API server."""
        raise self._refuse("stop the API server")

    def start_apiserver(self) -> None:
        """Start the API server, if it is not running, and wait until it is ready."""
        raise self._refuse("start the API server")

    def back_up_store(self, folder: Path) -> None:
        """Copy what the API server has stored at this moment into a new folder, while the cluster goes on."""
        raise self._refuse(f"back up what the API server has stored to {folder}")

    def restore_store(self, folder: Path) -> None:
        """Put such a copy in place of what the API server has stored since, and restart what relies on that.

        These are the control plane and kubelets, as Kubernetes' documentation has it. What runs in pods goes on.
        """
        raise self._refuse(f"restore what the API server has stored from {folder}")

    def stop_node(self, node: str) -> None:
        """Cut a node's power: everything on it ends at once, and its network is gone."""
        raise self._refuse(f"stop {node}")

    def start_node(self, node: str) -> None:
        """Boot a node whose power was cut: its disk is unchanged, and nothing runs on it."""
        raise self._refuse(f"start {node}")

    def _refuse(self, what: str) -> ClusterError:
        return ClusterError(f"cannot {what}: faults are for the local backend, this cluster runs on {self.backend}")
