"""What is written down about a cluster, and where in its folder things are.

``cluster.json`` is written before anything is made and removed after everything is gone: as long as there may
be something to take down, it says what.
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
from hack.cluster.spec import Backend, ClusterSpec, NodeSpec, check_name, parse_nodes, render_node

_VERSION = 1
_FOLDERS = "folders.json"


@dataclass(frozen=True)
class State:
    """A cluster as it is on record. ``index`` decides its addresses, its network interface and its cgroup."""

    name: str
    index: int
    backend: Backend
    nodes: tuple[NodeSpec, ...]
    dual_stack: bool = False

    @property
    def addresses(self) -> Addresses:
        """The cluster's addresses."""
        return Addresses(self.index, self.dual_stack)

    @property
    def sysctls(self) -> dict[str, str]:
        """What the cluster's network namespaces need, to pass on what is not for them."""
        return {"net.ipv4.ip_forward": "1"} | ({"net.ipv6.conf.all.forwarding": "1"} if self.dual_stack else {})

    @property
    def cgroup(self) -> str:
        """The cluster's cgroup, below the root of each hierarchy."""
        return f"sovereign{self.index}"

    @property
    def folder(self) -> Path:
        """Everything that the cluster writes."""
        return locate_folder(self.name)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's credentials."""
        return self.folder / "kubeconfig"

    def locate_kubeconfig(self, name: str) -> Path:
        """Return where the credentials of somebody else are kept."""
        return self.folder / "kubeconfigs" / name

    @property
    def keys(self) -> Path:
        """Certificates and keys."""
        return self.folder / "pki"

    @property
    def images(self) -> Path:
        """What the cluster's registry serves."""
        return self.folder / "images"

    def log(self, unit: str) -> Path:
        """Return where a unit's output goes."""
        return self.folder / "logs" / f"{unit}.log"

    def process(self, unit: str) -> Path:
        """Return where it is written down which process a unit is."""
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
    """Return a cluster's folder, which may not exist. Raises ClusterError for a name that none can have."""
    check_name(name, "cluster name")
    return locate_clusters() / name


def load(name: str) -> State | None:
    """Return what is on record about a cluster, None if nothing is. Raises ClusterError if it is unreadable."""
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
    return State(saved["name"], saved["index"], saved["backend"], nodes, saved.get("dualStack", False))


def list_names() -> list[str]:
    """Return the names of all clusters on record."""
    return sorted(path.parent.name for path in locate_clusters().glob("*/cluster.json"))


def allocate(spec: ClusterSpec, backend: Backend) -> State:
    """Put a new cluster on record, with addresses of its own. Raises ClusterError if none are free.

    Returns what is on record if the cluster is.
    """
    _make_folders()
    with hold_lock(locate_clusters()):
        if known := load(spec.name):  # by another process, a moment ago
            return known
        taken = [state.index for name in list_names() if (state := load(name))]
        index = choose_index(taken, [network for network, _ in read_routes()])
        state = State(spec.name, index, backend, spec.nodes, spec.dual_stack)
        saved = {
            "version": _VERSION,
            "name": state.name,
            "index": state.index,
            "backend": state.backend,
            "nodes": [render_node(node) for node in state.nodes],
            "dualStack": state.dual_stack,
        }
        replace_text(state.folder / "cluster.json", json.dumps(saved, indent=2))
    return state


def forget(name: str) -> None:
    """Remove a cluster's folder, its record last, and the folders above it that are empty then."""
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
    """Make the folder of all clusters, and write down which folders that made: the last cluster removes them."""
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
            with contextlib.suppress(OSError):  # somebody else has put something there
                for path in map(Path, made):
                    path.rmdir()


def _order_last(entries: Sequence[Path], name: str) -> list[Path]:
    return sorted(entries, key=lambda entry: entry.name == name)
