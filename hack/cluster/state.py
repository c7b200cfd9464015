"""The record of a cluster, and the paths in its folder.

``cluster.json`` is written before anything is created and removed after everything is gone: it exists for as long as
there may be something to take down.
"""

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.network.addresses import Addresses, choose_index
from hack.cluster.network.links import read_routes
from hack.cluster.paths import hold_lock, locate_clusters, replace_text
from hack.cluster.spec import NEWEST_KUBERNETES, Backend, ClusterSpec, NodeSpec, check_name, parse_nodes, render_node

_VERSION = 1
_FOLDERS = "folders.json"


@dataclass(frozen=True)
class State:
    """The record of a cluster. ``index`` determines its addresses, its network interface and its cgroup."""

    name: str
    index: int
    backend: Backend
    nodes: tuple[NodeSpec, ...]
    dual_stack: bool = False
    kubernetes: str = NEWEST_KUBERNETES
    """The minor version."""

    @property
    def addresses(self) -> Addresses:
        """The cluster's addresses."""
        return Addresses(self.index, self.dual_stack)

    @property
    def sysctls(self) -> dict[str, str]:
        """The settings with which the cluster's network namespaces forward packets."""
        return {"net.ipv4.ip_forward": "1"} | ({"net.ipv6.conf.all.forwarding": "1"} if self.dual_stack else {})

    @property
    def cgroup(self) -> str:
        """The cluster's cgroup, below the root of each hierarchy."""
        return f"sovereign{self.index}"

    @property
    def folder(self) -> Path:
        """The folder of everything that the cluster writes."""
        return locate_folder(self.name)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's credentials."""
        return self.folder / "kubeconfig"

    def locate_kubeconfig(self, name: str) -> Path:
        """Return the path of another user's kubeconfig."""
        return self.folder / "kubeconfigs" / name

    @property
    def keys(self) -> Path:
        """Certificates and keys."""
        return self.folder / "pki"

    @property
    def images(self) -> Path:
        """The images that the cluster's registry serves."""
        return self.folder / "images"

    def log(self, unit: str) -> Path:
        """Return the path of a unit's log."""
        return self.folder / "logs" / f"{unit}.log"

    def process(self, unit: str) -> Path:
        """Return the path of the file that identifies a unit's process."""
        return self.folder / "processes" / f"{unit}.json"

    def node_folder(self, node: str) -> Path:
        """Return the folder of everything that a node writes."""
        return self.folder / "nodes" / node

    def number(self, node: str) -> int:
        """Return a node's number, counted from 0. Raises ClusterError if there is no such node."""
        names = [known.name for known in self.nodes]
        if node not in names:
            raise ClusterError(f"cluster {self.name} has no node {node!r}: it has {', '.join(names)}")
        return names.index(node)


def locate_folder(name: str) -> Path:
    """Return a cluster's folder, which may not exist. Raises ClusterError for an invalid name."""
    check_name(name, "cluster name")
    return locate_clusters() / name


def load(name: str) -> State | None:
    """Return the record of a cluster, None if there is none. Raises ClusterError if it is unreadable."""
    path = locate_folder(name) / "cluster.json"
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise ClusterError(f"{path} is damaged: {error}") from error
    if saved["version"] != _VERSION:
        raise ClusterError(f"{path} was written by another version of this program: take the cluster down with that")
    nodes = parse_nodes(json.dumps(saved["nodes"]))  # JSON is YAML
    return State(
        saved["name"],
        saved["index"],
        saved["backend"],
        nodes,
        saved.get("dualStack", False),
        saved.get("kubernetes", NEWEST_KUBERNETES),
    )


def list_names() -> list[str]:
    """Return the names of all clusters on record."""
    return sorted(path.parent.name for path in locate_clusters().glob("*/cluster.json"))


def allocate(spec: ClusterSpec, backend: Backend) -> State:
    """Record a new cluster, with addresses of its own. Raises ClusterError if none are free.

    Returns the existing record if there is one.
    """
    _make_folders()
    with hold_lock(locate_clusters()):
        if known := load(spec.name):  # recorded by another process a moment ago
            return known
        taken = [state.index for name in list_names() if (state := load(name))]
        index = choose_index(taken, [network for network, _ in read_routes()])
        kubernetes = spec.kubernetes or NEWEST_KUBERNETES
        state = State(spec.name, index, backend, spec.nodes, spec.dual_stack, kubernetes)
        saved = {
            "version": _VERSION,
            "name": state.name,
            "index": state.index,
            "backend": state.backend,
            "nodes": [render_node(node) for node in state.nodes],
            "dualStack": state.dual_stack,
            "kubernetes": state.kubernetes,
        }
        replace_text(state.folder / "cluster.json", json.dumps(saved, indent=2))
    return state


def forget(name: str) -> None:
    """Remove a cluster's folder, its record last. The last cluster also removes what _make_folders created."""
    folder = locate_folder(name)
    if folder.exists():
        for entry in _order_last(sorted(folder.iterdir()), "cluster.json"):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        folder.rmdir()
    _remove_folders()


def _make_folders() -> None:
    """Create the folder of all clusters, and record which folders that created: the last cluster removes them."""
    folder = locate_clusters()
    missing = [str(parent) for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if missing:
        replace_text(folder / _FOLDERS, json.dumps(missing))


def _remove_folders() -> None:
    folder = locate_clusters()
    with hold_lock(folder):
        if [entry.name for entry in folder.iterdir()] == [_FOLDERS]:
            made = json.loads((folder / _FOLDERS).read_text())
            (folder / _FOLDERS).unlink()
            with contextlib.suppress(OSError):  # another program has put a file there
                for path in map(Path, made):
                    path.rmdir()


def _order_last(entries: Sequence[Path], name: str) -> list[Path]:
    return sorted(entries, key=lambda entry: entry.name == name)
