"""The kind backend, for machines whose Docker engine runs privileged containers.

It was written on a machine that cannot run kind, so it has never created a cluster. Its configuration was checked with
kind's own loading, patching and kubeadm code; the tests show what it looks like.

Differences from the local backend: the control plane is a node of its own, which the specification does not list;
kind's DNS forwards other names to outside servers; images are loaded with ``kind load``, so an image with the tag
``latest`` and no pull policy is still pulled from its registry; and faults are not supported.
"""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml

from hack.cluster import binaries, waiting
from hack.cluster.cluster import Cluster
from hack.cluster.control_plane import certificates, components
from hack.cluster.control_plane.api import Api, is_node_usable
from hack.cluster.control_plane.certificates import ADMIN, Authority, Subject
from hack.cluster.errors import ClusterError
from hack.cluster.nodes.images import read_archive_names
from hack.cluster.paths import hold_lock, replace_text
from hack.cluster.progress import Step
from hack.cluster.spec import Backend, NodeSpec, list_admin_labels, may_kubelet_set, parse_taint
from hack.cluster.state import State, forget

NODE_PATIENCE = 300.0
PROBE_IMAGE = "sovereign-operator-probe"
# Paths of kind and kubeadm inside the control plane's container.
AUDIT_FOLDER = "/audit"
AUTHORITY_FILES = "/etc/kubernetes/pki"
KUBEADM = {"group": "kubeadm.k8s.io", "version": "v1beta4"}


def can_run_kind() -> bool:
    """Return whether a Docker engine answers and may run privileged containers, which kind's nodes are.

    Runs one from an image that is created for this and then removed.
    """
    busybox = Path("/bin/busybox")
    if not shutil.which("docker") or not busybox.exists():
        return False
    if _docker("info").returncode:
        return False
    content = io.BytesIO()
    with tarfile.TarFile(fileobj=content, mode="w") as tar:
        tar.add(busybox, "busybox", recursive=False)
    imported = subprocess.run(
        ["docker", "import", "-", PROBE_IMAGE], input=content.getvalue(), capture_output=True, check=False
    )
    try:
        probe = ("run", "--rm", "--privileged", "--network=none", PROBE_IMAGE, "/busybox", "true")
        return imported.returncode == 0 and _docker(*probe).returncode == 0
    finally:
        _docker("rmi", "--force", PROBE_IMAGE)


def render_config(state: State) -> dict[str, Any]:
    """Return kind's configuration file (v1alpha4)."""
    return {
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "kind": "Cluster",
        "name": state.name,
        "networking": {"kubeProxyMode": "nftables", "ipFamily": "dual" if state.dual_stack else "ipv4"},
        "nodes": [_render_control_plane(state), *map(_render_worker, state.nodes)],
    }


def _render_control_plane(state: State) -> dict[str, Any]:
    """Return the control plane, with the same audit log as the local backend's, in a folder of this machine."""
    arguments = {
        "audit-policy-file": f"{AUDIT_FOLDER}/policy.yaml",
        "audit-log-path": f"{AUDIT_FOLDER}/audit.log",
        "audit-log-maxsize": components.AUDIT_LOG_MEGABYTES,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
    }
    volume = {"name": "audit", "hostPath": AUDIT_FOLDER, "mountPath": AUDIT_FOLDER, "pathType": "Directory"}
    patch = [
        *(_add("/apiServer/extraArgs/-", {"name": key, "value": value}) for key, value in arguments.items()),
        _add("/apiServer/extraVolumes", [volume]),
    ]
    return {
        "role": "control-plane",
        "extraMounts": [{"hostPath": str(state.folder / "audit"), "containerPath": AUDIT_FOLDER}],
        "kubeadmConfigPatchesJSON6902": [_render_patch("ClusterConfiguration", patch)],
    }


def _render_worker(node: NodeSpec) -> dict[str, Any]:
    patch = [_add("/nodeRegistration/name", node.name)]
    if node.provider_id:
        place = "/nodeRegistration/kubeletExtraArgs/1"  # kind gives node-ip, provider-id, node-labels
        patch.append({"op": "test", "path": f"{place}/name", "value": "provider-id"})
        patch.append({"op": "replace", "path": f"{place}/value", "value": node.provider_id})
    if node.taints:
        patch.append(_add("/nodeRegistration/taints", [parse_taint(taint) for taint in node.taints]))
    return {
        "role": "worker",
        "labels": {key: value for key, value in node.labels.items() if may_kubelet_set(key)},
        "kubeadmConfigPatchesJSON6902": [_render_patch("JoinConfiguration", patch)],
    }


def _add(path: str, value: object) -> dict[str, object]:
    return {"op": "add", "path": path, "value": value}


def _render_patch(kind: str, operations: Sequence[dict[str, object]]) -> dict[str, str]:
    return KUBEADM | {"kind": kind, "patch": yaml.safe_dump(list(operations), sort_keys=False)}


def name_container(cluster: str, number: int) -> str:
    """Return kind's name for the container of the worker with this number, counted from 0."""
    return f"{cluster}-worker{number + 1 if number else ''}"


class KindCluster(Cluster):
    """A cluster of containers."""

    backend: Backend = "kind"

    def __init__(self, state: State) -> None:
        self._state = state
        self.name = state.name
        self.kubernetes = state.kubernetes

    @property
    def kubeconfig(self) -> Path:
        """See Cluster."""
        return self._state.kubeconfig

    @property
    def nodes(self) -> tuple[str, ...]:
        """See Cluster."""
        return tuple(node.name for node in self._state.nodes)

    @property
    def audit_log(self) -> Path:
        """See Cluster."""
        return self._state.folder / "audit" / "audit.log"

    @property
    def machine(self) -> IPv4Address:
        """See Cluster. It is the gateway of the network that kind's clusters share."""
        shown = _run("docker", "network", "inspect", "kind", "--format={{range .IPAM.Config}}{{.Gateway}} {{end}}")
        for gateway in shown.split():
            if ":" not in gateway:
                return IPv4Address(gateway)
        raise ClusterError(f"kind's network has no IPv4 gateway: {shown.strip() or 'none at all'}")

    def ensure_up(self) -> None:
        """Create the cluster, unless kind lists it and its API server answers; then wait for its nodes."""
        with hold_lock(self._state.folder), Step(f"Starting cluster {self.name} with {len(self.nodes)} nodes"):
            if not self._is_up():
                self._create()
            self._wait_for_nodes()

    def machine_certificate(self) -> tuple[Path, Path]:
        """See Cluster."""
        return certificates.issue_machine(self._state.keys, self.machine)

    def down(self) -> None:
        """See Cluster."""
        with hold_lock(self._state.folder):
            _run(binaries.path("kind"), "delete", "cluster", f"--name={self.name}", f"--kubeconfig={self.kubeconfig}")
            forget(self.name)

    def load_image(self, archive: Path) -> tuple[str, ...]:
        """See Cluster."""
        names = read_archive_names(archive)
        _run(binaries.path("kind"), "load", "image-archive", f"--name={self.name}", archive)
        return tuple(names)

    def node_exec(self, node: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """See Cluster."""
        container = name_container(self.name, self._state.number(node))
        return _docker("exec", container, *argv)

    def node_kubeconfig(self, node: str) -> Path:
        """See Cluster."""
        self._state.number(node)
        return self._write_user(certificates.make_kubelet(node))

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """See Cluster."""
        return self._write_user(Subject(user, tuple(groups)))

    def _is_up(self) -> bool:
        known = _run(binaries.path("kind"), "get", "clusters").split()
        return self.name in known and self._state.kubeconfig.exists() and self._api.is_ready()

    def _create(self) -> None:
        kind = binaries.path("kind")
        _run(kind, "delete", "cluster", f"--name={self.name}", f"--kubeconfig={self.kubeconfig}")
        replace_text(self._state.folder / "audit" / "policy.yaml", components.AUDIT_POLICY)
        config = self._state.folder / "kind.yaml"
        replace_text(config, yaml.safe_dump(render_config(self._state), sort_keys=False))
        own = self._state.folder / "kind.kubeconfig"
        _run(kind, "create", "cluster", f"--config={config}", f"--kubeconfig={own}")
        for name in ("ca.crt", "ca.key"):
            shown = _run("docker", "exec", f"{self.name}-control-plane", "cat", f"{AUTHORITY_FILES}/{name}")
            replace_text(self._state.keys / name, shown)
        # kind names its context kind-NAME. Our administrator's context is named after the cluster, see Cluster.
        certificates.write_user(
            self._state.keys, "admin", ADMIN, self.kubeconfig, server=self._server, context=self.name
        )

    @property
    def _server(self) -> str:
        config = yaml.safe_load((self._state.folder / "kind.kubeconfig").read_text())
        return str(config["clusters"][0]["cluster"]["server"])

    @property
    def _api(self) -> Api:
        authority = Authority(self._state.keys)
        return Api(self._server, authority.certificate, authority.issue("admin", ADMIN))

    def _wait_for_nodes(self) -> None:
        api = self._api

        def are_usable() -> bool:
            found = {node["metadata"]["name"]: node for node in api.list_nodes()}
            return all(name in found and is_node_usable(found[name]) for name in self.nodes)

        waiting.wait_until(are_usable, "the nodes do not get ready", seconds=NODE_PATIENCE)
        for node in self._state.nodes:
            if labels := list_admin_labels(node):
                api.merge(f"/api/v1/nodes/{node.name}", {"metadata": {"labels": labels}})

    def _write_user(self, subject: Subject) -> Path:
        name = certificates.name_files(subject)
        path = self._state.locate_kubeconfig(name)
        return certificates.write_user(self._state.keys, name, subject, path, server=self._server, context=self.name)


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def _run(program: str | Path, *arguments: str | Path) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{Path(program).name} {arguments[0]} failed:\n{done.stderr.strip()[-4000:]}")
    return done.stdout
