"""The cgroups below which a cluster's kubelets create their own: ``/sovereignINDEX/NODE`` in every hierarchy.

Version 1 has a hierarchy per controller; the project was developed on it. Version 2 has a single one, in which each
level has to hand on its controllers; that code follows the documentation, and only its pure functions are tested.
"""

import contextlib
import errno
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError

ROOT = Path("/sys/fs/cgroup")
WANTED = ("cpu", "cpuset", "hugetlb", "io", "memory", "pids")
"""Controllers that a kubelet uses, by their names in version 2; those that the kernel has are handed on."""

REMOVAL_PATIENCE = 10.0


@dataclass(frozen=True)
class Hierarchy:
    """A mounted cgroup hierarchy; ``unified`` is version 2, which may be mounted next to version 1."""

    root: Path
    unified: bool


def parse_hierarchies(mounts: str) -> list[Hierarchy]:
    """Return the hierarchies of a /proc/mounts text that lie below /sys/fs/cgroup, one per mount point."""
    found = {}
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split()
        if kind in {"cgroup", "cgroup2"} and Path(point).is_relative_to(ROOT):
            found[point] = Hierarchy(Path(point), unified=kind == "cgroup2")
    return list(found.values())


def read_hierarchies() -> list[Hierarchy]:
    """Return this machine's hierarchies. Raises ClusterError if there is none."""
    found = parse_hierarchies(Path("/proc/mounts").read_text())
    if not found:
        raise ClusterError(f"no cgroup hierarchy is mounted below {ROOT}: kubelets can not run here")
    return found


def find_unified_root() -> Path | None:
    """Return the root group of a machine that has version 2 only; None if it has version 1."""
    hierarchies = read_hierarchies()
    return hierarchies[0].root if all(hierarchy.unified for hierarchy in hierarchies) else None


def create_node_group(cluster: str, node: str) -> None:
    """Create a node's cgroup in every hierarchy, ready for a kubelet.

    With version 2 the root group has to hand on its controllers first; see host.py.
    """
    unified = find_unified_root()
    for hierarchy in read_hierarchies():
        parent = hierarchy.root
        for part in (cluster, node):
            group = parent / part
            group.mkdir(exist_ok=True)
            if unified:
                hand_on_controllers(group)
            elif not hierarchy.unified:
                copy_cpuset(parent, group)
            parent = group


def list_new_controllers(group: Path) -> list[str]:
    """Return the controllers that kubelets use and a version 2 group has, but does not hand on yet."""
    available = (group / "cgroup.controllers").read_text().split()
    handed_on = (group / "cgroup.subtree_control").read_text().split()
    return [name for name in WANTED if name in available and name not in handed_on]


def hand_on_controllers(group: Path) -> None:
    """Let a version 2 group's children use the controllers that kubelets use."""
    for name in list_new_controllers(group):
        (group / "cgroup.subtree_control").write_text(f"+{name}")


def take_back_controllers(group: Path, names: Iterable[str]) -> None:
    """Stop handing on these controllers, unless other software uses them by now."""
    for name in names:
        with contextlib.suppress(OSError):
            (group / "cgroup.subtree_control").write_text(f"-{name}")


def copy_cpuset(parent: Path, group: Path) -> None:
    """Fill a new version 1 cpuset: it is empty, and no process may join an empty one."""
    for name in ("cpuset.mems", "cpuset.cpus"):
        if (group / name).exists() and not (group / name).read_text().strip():
            (group / name).write_text((parent / name).read_text())


def remove_groups(group: str) -> None:
    """Remove a cgroup and all below it from every hierarchy. Raises ClusterError if processes remain in them."""
    deadline = time.monotonic() + REMOVAL_PATIENCE
    for hierarchy in parse_hierarchies(Path("/proc/mounts").read_text()):
        for folder, _, _ in os.walk(hierarchy.root / group, topdown=False):
            _remove_group(Path(folder), deadline)


def _remove_group(group: Path, deadline: float) -> None:
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            # The last process has been killed, but the kernel needs a moment to remove it from the group.
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise ClusterError(f"cannot remove the cgroup {group}: {error.strerror}") from error
            time.sleep(0.02)
        else:
            return
