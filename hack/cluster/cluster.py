"""What a cluster can do, whichever backend runs it."""

import abc
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.spec import Backend


class Cluster(abc.ABC):
    """A running cluster. All methods raise ClusterError when they can not do their work."""

    name: str
    backend: Backend

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
        """This machine's address, as pods see it."""

    @abc.abstractmethod
    def machine_certificate(self) -> tuple[Path, Path]:
        """Return (certificate, key) files for a server at that address, signed as the API server's own is."""

    @abc.abstractmethod
    def down(self) -> None:
        """Remove the cluster and whatever it made."""

    @abc.abstractmethod
    def load_image(self, archive: Path) -> tuple[str, ...]:
        """Give all nodes the images of an OCI archive; return their fully qualified names."""

    @abc.abstractmethod
    def node_exec(self, node: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in a node's network, for example curl to a ClusterIP or a pod's address.

        With the local backend the command is this machine's, with kind it is the node image's. Its failure is
        for the caller to see in ``returncode``.
        """

    @abc.abstractmethod
    def node_kubeconfig(self, node: str) -> Path:
        """Return credentials of that node's kubelet (``system:node:NAME`` in ``system:nodes``)."""

    @abc.abstractmethod
    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Return credentials of a user by that name, in these groups, signed by the cluster's authority."""

    def stop_kubelet(self, node: str) -> None:
        """End a node's kubelet; its pods go on."""
        raise self._refuse(f"stop the kubelet of {node}")

    def start_kubelet(self, node: str) -> None:
        """Start a node's kubelet, if it does not run."""
        raise self._refuse(f"start the kubelet of {node}")

    def restart_kubelet(self, node: str) -> None:
        """End a node's kubelet and start it again."""
        self.stop_kubelet(node)
        self.start_kubelet(node)

    def stop_apiserver(self) -> None:
        """End the API server."""
        raise self._refuse("stop the API server")

    def start_apiserver(self) -> None:
        """Start the API server, if it does not run, and wait until it is ready."""
        raise self._refuse("start the API server")

    def stop_node(self, node: str) -> None:
        """Cut a node's power: everything on it ends at once, and its network is gone."""
        raise self._refuse(f"stop {node}")

    def start_node(self, node: str) -> None:
        """Boot a node whose power was cut: it finds its disk as it was, and nothing running."""
        raise self._refuse(f"start {node}")

    def _refuse(self, what: str) -> ClusterError:
        return ClusterError(f"cannot {what}: faults are for the local backend, this cluster runs on {self.backend}")
