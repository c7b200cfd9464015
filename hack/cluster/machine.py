"""A local cluster's processes on this machine: its holders and its units, each started at most once."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.control_plane.components import Unit
from hack.cluster.engine import cgroups, processes
from hack.cluster.engine.host import Host
from hack.cluster.engine.processes import Process
from hack.cluster.errors import ClusterError
from hack.cluster.network import links
from hack.cluster.nodes import node_components
from hack.cluster.spec import NodeSpec
from hack.cluster.state import State

HOLDER = "holder"
LOG_LINES = 8
STOP_PATIENCE = 10.0
KILL_PATIENCE = 30.0


@dataclass(frozen=True)
class Machine:
    """Starts and ends what a cluster's state says. ``programs`` are the folders of the cluster's binaries."""

    state: State
    programs: tuple[Path, ...]

    def find(self, unit: str) -> Process | None:
        """Return a unit's or holder's process, None if it does not run."""
        return Process.load(self.state.process(unit))

    def find_holder(self, node: str = "") -> Process:
        """Return the holder of a node's namespaces, or of the cluster's. Raises ClusterError if it is gone."""
        holder = self.find(node_components.name_unit(node, HOLDER) if node else HOLDER)
        if holder is None:
            what = f"node {node} of cluster {self.state.name}" if node else f"cluster {self.state.name}"
            raise ClusterError(f"{what} does not run; run up again to repair it")
        return holder

    def ensure_cluster_holder(self) -> Process:
        """Make the cluster's namespaces and its network, unless they are there."""
        holder = self.find(HOLDER)
        if holder is None:
            self._end_marked()
            holder = processes.hold_namespaces(self.state.folder, ["net", "pid"], sysctls=self.state.sysctls)
            links.connect_cluster(self.state.addresses, holder, self.state.folder)
            # Written down last: a holder on record is one whose network is complete.
            holder.save(self.state.process(HOLDER))
        return holder

    def ensure_node_holder(self, node: NodeSpec) -> Process:
        """Make a node's cgroup, namespaces, mounts and network, unless they are there."""
        unit = node_components.name_unit(node.name, HOLDER)
        holder = self.find(unit)
        if holder is None:
            cluster = self.find_holder()
            # A node that boots has none. One whose power was cut left them, and its kubelet would look for each
            # container, three seconds long.
            cgroups.remove_groups(f"{self.state.cgroup}/{node.name}")
            cgroups.create_node_group(self.state.cgroup, node.name)
            node_components.make_folders(self.state, node.name)
            holder = processes.hold_namespaces(
                self.state.folder,
                node_components.NAMESPACES,
                inside=cluster,
                mounts=node_components.render_mounts(self.state, node.name),
                sysctls=self.state.sysctls,
                hostname=node.name,
            )
            number = self.state.number(node.name)
            links.connect_node(self.state.addresses, number, len(self.state.nodes), cluster, holder)
            holder.save(self.state.process(unit))
        return holder

    def ensure_control_plane_unit(self, unit: Unit) -> Process:
        """Start a unit of the control plane, unless it runs."""
        return self._ensure(unit, self.find_holder(), ["net", "pid"], [str(path) for path in self.programs])

    def ensure_node_unit(self, node: str, unit: Unit) -> Process:
        """Start a unit of a node, unless it runs."""
        path = node_components.render_path(self.programs)
        return self._ensure(unit, self.find_holder(node), node_components.NAMESPACES, path)

    def _ensure(self, unit: Unit, holder: Process, namespaces: Sequence[str], path: Sequence[str]) -> Process:
        process = self.find(unit.name)
        if process is None:
            self.state.log(unit.name).parent.mkdir(parents=True, exist_ok=True)
            process = processes.start(
                self.state.folder,
                unit.argv,
                inside=holder,
                namespaces=namespaces,
                log=self.state.log(unit.name),
                path=path,
            )
            process.save(self.state.process(unit.name))
        return process

    def accepts_containers(self, node: str) -> bool:
        """Return whether a node's containerd answers: it listens when it has all its parts together."""
        path = f"/proc/{self.find_holder(node).pid}/root{node_components.CONTAINERD_SOCKET}"
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(path) == 0

    def run_in_node(self, node: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run one of the cluster's programs in all of a node's namespaces, and wait for it."""
        enter = ["nsenter", f"--target={self.find_holder(node).pid}", "--mount", "--net", "--pid", "--uts", "--"]
        environment = os.environ | {"PATH": ":".join([*node_components.render_path(self.programs), os.environ["PATH"]])}
        return subprocess.run([*enter, *argv], env=environment, capture_output=True, text=True, check=False)

    def stop(self, unit: str) -> None:
        """End a unit or holder, politely at first, and wait until it is gone."""
        if process := self.find(unit):
            # A holder is the first process of its PID namespace: nothing less ends it, and all else with it.
            signals = [signal.SIGKILL] if unit.endswith(HOLDER) else [signal.SIGTERM, signal.SIGKILL]
            process.stop(signals, STOP_PATIENCE)
        self.state.process(unit).unlink(missing_ok=True)

    def explain_death(self, unit: str) -> str:
        """Return the end of a unit's log if it does not run any more, else nothing."""
        if self.find(unit):
            return ""
        log = self.state.log(unit)
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        return "\n".join([f"{unit} has ended; the last lines of {log}:", *lines])

    def end(self) -> None:
        """End everything and remove what was made outside the cluster's folder, complete or not."""
        if holder := self.find(HOLDER):
            holder.stop([signal.SIGKILL], KILL_PATIENCE)
        self._end_marked()
        links.disconnect_cluster(self.state.addresses)
        cgroups.remove_groups(self.state.cgroup)
        Host().release(self.state.addresses.link)

    def _end_marked(self) -> None:
        """End what was started but never written down, and what outlived the holder it was started for."""
        # Parents first, in most cases: a holder takes all of its PID namespace along.
        while found := processes.find_marked(self.state.folder):
            for process in sorted(found, key=lambda process: process.started):
                process.stop([signal.SIGKILL], KILL_PATIENCE)
