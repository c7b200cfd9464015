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
CRASHES = ("fatal error:", "panic:", "runtime:", "SIG")
"""With one of these begins the line in which a Go program says why it crashed."""
STOP_PATIENCE = 10.0
KILL_PATIENCE = 30.0


@dataclass(frozen=True)
class Machine:
    """Starts and stops the processes of a cluster. ``programs`` are the folders of its binaries."""

    state: State
    programs: tuple[Path, ...]

    def find(self, unit: str) -> Process | None:
        """Return a unit's or holder's process, None if it is not running."""
        return Process.load(self.state.process(unit))

    def find_holder(self, node: str = "") -> Process:
        """Return the holder of a node's namespaces, or of the cluster's. Raises ClusterError if it is gone."""
        holder = self.find(node_components.name_unit(node, HOLDER) if node else HOLDER)
        if holder is None:
            what = f"node {node} of cluster {self.state.name}" if node else f"cluster {self.state.name}"
            raise ClusterError(f"{what} does not run; run up again to repair it")
        return holder

    def ensure_cluster_holder(self) -> Process:
        """Create the cluster's namespaces and its network, unless they exist."""
        holder = self.find(HOLDER)
        if holder is None:
            self._end_marked()
            holder = processes.hold_namespaces(self.state.folder, ["net", "pid"], sysctls=self.state.sysctls)
            links.connect_cluster(self.state.addresses, holder, self.state.folder)
            # Recorded last: the network of a recorded holder is complete.
            holder.save(self.state.process(HOLDER))
        return holder

    def ensure_node_holder(self, node: NodeSpec) -> Process:
        """Create a node's cgroup, namespaces, mounts and network, unless they exist."""
        unit = node_components.name_unit(node.name, HOLDER)
        holder = self.find(unit)
        if holder is None:
            cluster = self.find_holder()
            # A node whose power was cut leaves its cgroups behind, and its new kubelet would look for each container
            # for three seconds.
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
        """Start a unit of the control plane, unless it is running."""
        return self._ensure(unit, self.find_holder(), ["net", "pid"], [str(path) for path in self.programs])

    def ensure_node_unit(self, node: str, unit: Unit) -> Process:
        """Start a unit of a node, unless it is running."""
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
        """Return whether a node's containerd accepts connections, which it does once it is initialized."""
        path = f"/proc/{self.find_holder(node).pid}/root{node_components.CONTAINERD_SOCKET}"
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(path) == 0

    def run_in_node(self, node: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run one of the cluster's programs in all of a node's namespaces, and wait for it."""
        enter = ["nsenter", f"--target={self.find_holder(node).pid}", "--mount", "--net", "--pid", "--uts", "--"]
        environment = os.environ | {"PATH": ":".join([*node_components.render_path(self.programs), os.environ["PATH"]])}
        return subprocess.run([*enter, *argv], env=environment, capture_output=True, text=True, check=False)

    def stop(self, unit: str) -> None:
        """Stop a unit (SIGTERM, then SIGKILL) or a holder (SIGKILL), and wait until it is gone."""
        if process := self.find(unit):
            # A holder is the first process of its PID namespace: only SIGKILL ends it, and all other processes with it.
            signals = [signal.SIGKILL] if unit.endswith(HOLDER) else [signal.SIGTERM, signal.SIGKILL]
            process.stop(signals, STOP_PATIENCE)
        self.state.process(unit).unlink(missing_ok=True)

    def explain_death(self, unit: str) -> str:
        """Return the last lines of the log of a unit that has ended, from the crash on if it crashed; "" if it runs."""
        if self.find(unit):
            return ""
        log = self.state.log(unit)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        # After that come the stacks of all goroutines, thousands of lines.
        crash = next((number for number, line in enumerate(lines) if line.startswith(CRASHES)), None)
        shown = lines[-LOG_LINES:] if crash is None else lines[crash : crash + LOG_LINES]
        return "\n".join([f"{unit} has ended; from {log}:", *shown])

    def end(self) -> None:
        """End all processes and remove everything made outside the cluster's folder, even of an incomplete cluster."""
        if holder := self.find(HOLDER):
            holder.stop([signal.SIGKILL], KILL_PATIENCE)
        self._end_marked()
        links.disconnect_cluster(self.state.addresses)
        cgroups.remove_groups(self.state.cgroup)
        Host().release(self.state.addresses.link)

    def _end_marked(self) -> None:
        """End processes that were started but never recorded, and those that outlived their holder."""
        # Oldest first: ending a holder also ends all processes in its PID namespace.
        while found := processes.find_marked(self.state.folder):
            for process in sorted(found, key=lambda process: process.started):
                process.stop([signal.SIGKILL], KILL_PATIENCE)
