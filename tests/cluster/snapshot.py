"""What a cluster could leave on a machine. Other clusters, which may come and go meanwhile, are ignored."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from hack.cluster.network.addresses import FIRST_BLOCK

SYSCTLS = ("net", "fs/inotify", "kernel/keys", "kernel", "vm")
PLACES = (
    "/etc/cni",
    "/etc/containerd",
    "/etc/kubernetes",
    "/opt/cni",
    "/opt/containerd",
    "/opt/nri",
    "/root/.kube",
    "/run/cni",
    "/run/containerd",
    "/run/flannel",
    "/run/kubernetes",
    "/run/lock",
    "/run/netns",
    "/run/nri",
    "/run/runc",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/var/log/kubernetes",
    "/var/run/netns",
)
CLUSTER = re.compile(r"\bsovereign(?P<index>\d+)\b")
BLOCK = re.compile(r"\b10\.(?P<block>1[3-8]\d|12[89]|19[01])\.")
MARKER = b"SOVEREIGN_CLUSTER="
# Counters and random values: they change by themselves.
VOLATILE = re.compile(r"random/|ns_last_pid|/gc_|nf_conntrack_count|/stable_secret|hostname|/pty/|/boot_id")


@dataclass(frozen=True)
class Snapshot:
    processes: frozenset[str]
    mounts: frozenset[str]
    namespaces: frozenset[str]
    cgroups: frozenset[str]
    links: frozenset[str]
    routes: frozenset[str]
    rules: frozenset[str]
    filters: frozenset[str]
    sysctls: frozenset[str]
    files: frozenset[str]

    def list_changes(self, later: "Snapshot", own: int) -> list[str]:
        """Return what was added or removed until the later snapshot.

        ``own`` is the index of the tested cluster; items of other clusters are ignored.
        """
        return [
            f"{field.name}: {sign} {item}"
            for field in fields(self)
            for sign, items in (
                ("+", getattr(later, field.name) - getattr(self, field.name)),
                ("-", getattr(self, field.name) - getattr(later, field.name)),
            )
            for item in sorted(items)
            if find_index(item) in {None, own}
        ]


def find_index(item: str) -> int | None:
    """Return the index of the cluster that an item belongs to, by its name or address."""
    if found := CLUSTER.search(item):
        return int(found["index"])
    block = BLOCK.search(item)
    return int(block["block"]) - FIRST_BLOCK if block else None


def take_snapshot(folder: Path) -> Snapshot:
    """Take a snapshot. ``folder`` is a place for clusters' folders."""
    return Snapshot(
        processes=frozenset(_list_processes(folder)),
        mounts=frozenset(_list_mounts(folder)),
        namespaces=frozenset(_run("ip", "netns", "list").splitlines()),
        cgroups=frozenset(_list_cgroups()),
        links=frozenset(_list_links()),
        routes=frozenset(_list_routes()),
        rules=frozenset(_run("ip", "rule", "list").splitlines() + _run("ip", "-6", "rule", "list").splitlines()),
        filters=frozenset(_list_filters()),
        sysctls=frozenset(_list_sysctls()),
        files=frozenset(_list_files(folder)),
    )


def _list_processes(folder: Path) -> Iterator[str]:
    """Yield the processes of clusters in that folder, found by their environment or that of an ancestor."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _find_marker(int(entry.name)).startswith(str(folder)):
            with contextlib.suppress(OSError):
                yield f"{entry.name} {(entry / 'cmdline').read_bytes().replace(bytes(1), b' ').decode()}"


def _find_marker(pid: int) -> str:
    while pid > 1:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return ""
        for variable in environment:
            if variable.startswith(MARKER):
                return variable.removeprefix(MARKER).decode()
        pid = parent
    return ""


def _list_mounts(folder: Path) -> Iterator[str]:
    for line in Path("/proc/mounts").read_text().splitlines():
        point = Path(line.split()[1])
        if point.is_relative_to(folder) or not point.is_relative_to(tempfile.gettempdir()):
            yield line


def _list_cgroups() -> Iterator[str]:
    """Yield the topmost groups; those below come and go with other activity of the machine."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if kind in {"cgroup", "cgroup2"}:
            yield from (str(group) for group in Path(point).iterdir() if group.is_dir())


def _list_links() -> Iterator[str]:
    for link in json.loads(_run("ip", "-json", "link", "show")):
        yield f"{link['ifname']} {' '.join(link['flags'])} {link['mtu']} {link.get('ifalias', '')}"


def _list_routes() -> Iterator[str]:
    for family in ("-4", "-6"):
        for line in _run("ip", family, "route", "show", "table", "all").splitlines():
            yield re.sub(r" (expires|cache) \S+", "", line)


def _list_filters() -> Iterator[str]:
    for program in (["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"]):
        if shutil.which(program[0]):
            yield from (line for line in _run(*program).splitlines() if not line.startswith("#"))


def _list_sysctls() -> Iterator[str]:
    for top in SYSCTLS:
        for folder, folders, names in os.walk(Path("/proc/sys", top)):
            if top in {"kernel", "vm"}:
                folders.clear()
            for name in names:
                path = Path(folder, name)
                if path.stat().st_mode & 0o200 and not VOLATILE.search(str(path)):
                    with contextlib.suppress(OSError):  # some can only be written
                        yield f"{path}={path.read_bytes()!r}"


def _list_files(folder: Path) -> Iterator[str]:
    for place in (*map(Path, PLACES), folder, folder.parent):
        if place.exists():
            yield str(place)
            yield from (str(path) for path in place.iterdir())


def _run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
