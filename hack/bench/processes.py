"""Which processes of this machine belong to a cluster of the local backend."""

from collections.abc import Iterator
from pathlib import Path

from hack.cluster import Cluster, ClusterError
from hack.cluster.local import LocalCluster


def api_server(cluster: Cluster) -> int:
    """Return the API server's process id. Raises ClusterError."""
    return _of_control_plane(cluster, "kube-apiserver")


def etcd(cluster: Cluster) -> int:
    """Return etcd's process id. Raises ClusterError."""
    return _of_control_plane(cluster, "etcd")


def _of_control_plane(cluster: Cluster, program: str) -> int:
    found = cluster.find_process(program) if isinstance(cluster, LocalCluster) else None
    if found is None:
        raise ClusterError(f"the CPU of {program} can be read on the local backend alone: make another cluster")
    return found.pid


def of_pod(uid: str) -> Iterator[int]:
    """Yield the processes of a pod's containers."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and uid in read(int(folder.name), "cgroup").replace("_", "-"):
            yield int(folder.name)


def read(pid: int, name: str) -> str:
    """Return what a file in /proc says of a process; nothing if the process has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
