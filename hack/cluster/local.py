"""The local backend: the control plane and all nodes as processes of this machine, in namespaces of their own.

It needs root but no container engine. engine/namespaces.py explains how it is isolated from the rest of the machine,
network/links.py how its traffic stays inside.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from hack.cluster import binaries, prerequisites, waiting
from hack.cluster.cluster import Cluster
from hack.cluster.control_plane import certificates, components
from hack.cluster.control_plane.api import Api, is_node_usable
from hack.cluster.control_plane.certificates import Authority, Subject
from hack.cluster.engine.host import Host
from hack.cluster.engine.processes import Process
from hack.cluster.errors import ClusterError
from hack.cluster.machine import Machine
from hack.cluster.network import dns, links
from hack.cluster.nodes import images, node_components
from hack.cluster.paths import hold_lock
from hack.cluster.progress import Step
from hack.cluster.spec import Backend, NodeSpec, list_admin_labels
from hack.cluster.state import State, forget, load

API_PATIENCE = 120.0
NODE_PATIENCE = 120.0
CONTAINERD_PATIENCE = 60.0

Item = TypeVar("Item")
Result = TypeVar("Result")


class LocalCluster(Cluster):
    """A cluster of processes."""

    backend: Backend = "local"

    def __init__(self, state: State) -> None:
        self.name = state.name
        self.kubernetes = state.kubernetes
        self._state = state
        self._machine = Machine(state, binaries.ensure(binaries.of_cluster(state.kubernetes)))

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
        return components.locate_audit_log(self._state)

    @property
    def machine(self) -> IPv4Address:
        """See Cluster."""
        return self._state.addresses.machine

    def ensure_up(self) -> None:
        """Start all parts of the cluster that are not running; wait until the whole cluster works.

        This also repairs a cluster that runs in part, which keeps its data, its images and its containers' disks.
        """
        Host().claim(self._state.addresses.link, self._state.folder)
        if not self.list_dead():
            return
        with hold_lock(self._state.folder), Step(f"Starting cluster {self.name} with {len(self.nodes)} nodes"):
            if load(self.name) != self._state:
                raise ClusterError(f"cluster {self.name} was taken down or changed by another process")
            components.write_credentials(self._state)
            components.write_files(self._state)
            images.add_pause_image(self._state.images)
            self._machine.ensure_cluster_holder()
            etcd, api_server, *others = components.render_units(self._state)
            self._machine.ensure_control_plane_unit(etcd)
            self._machine.ensure_control_plane_unit(api_server)
            # The API server takes seconds to become ready; meanwhile the nodes start what does not need it.
            _in_parallel(self._prepare_node, self._state.nodes)
            dns.add_image(self._state.images)
            self._wait_for_api()
            for unit in others:  # these exit if the API server refuses them, and kubelets back off
                self._machine.ensure_control_plane_unit(unit)
            dns.install(self._state, self._api)
            _in_parallel(self._join_node, self._state.nodes)
            self._wait_for_nodes()
            _in_parallel(self._wait_for_names, self.nodes)

    def machine_certificate(self) -> tuple[Path, Path]:
        """See Cluster."""
        return certificates.issue_machine(self._state.keys, self.machine)

    def down(self) -> None:
        """See Cluster."""
        take_down(self._state)

    def load_image(self, archive: Path) -> tuple[str, ...]:
        """See Cluster. The images go to the cluster's registry, and the nodes pull them at once."""
        names = images.add_archive(self._state.images, archive)
        _in_parallel(lambda node: self._pull(node, names), self.nodes)
        return tuple(names)

    def node_exec(self, node: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """See Cluster."""
        self._state.number(node)
        return links.run_inside(self._machine.find_holder(node), argv)

    def node_kubeconfig(self, node: str) -> Path:
        """See Cluster."""
        self._state.number(node)
        return self._write_user(certificates.make_kubelet(node))

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """See Cluster."""
        return self._write_user(Subject(user, tuple(groups)))

    def stop_kubelet(self, node: str) -> None:
        """See Cluster."""
        self._state.number(node)
        self._machine.stop(node_components.name_unit(node, "kubelet"))

    def start_kubelet(self, node: str) -> None:
        """See Cluster."""
        spec = self._state.nodes[self._state.number(node)]
        self._machine.ensure_node_unit(node, node_components.render_units(self._state, spec)["kubelet"])

    def stop_apiserver(self) -> None:
        """See Cluster."""
        self._machine.stop("kube-apiserver")

    def start_apiserver(self) -> None:
        """See Cluster."""
        self._machine.ensure_control_plane_unit(components.render_api_server(self._state))
        self._wait_for_api()

    def back_up_store(self, folder: Path) -> None:
        """See Cluster. The copy is what a power cut would leave, and etcd starts from that."""
        etcd = self._machine.find("etcd")
        if etcd is None:
            raise ClusterError(f"etcd of cluster {self.name} does not run")
        with etcd.paused():
            shutil.copytree(components.locate_store(self._state), folder)

    def restore_store(self, folder: Path) -> None:
        """See Cluster."""
        units = {unit.name: unit for unit in components.render_units(self._state)}
        depending = [name for name in units if name.startswith("kube-")]
        for name in (*depending, "etcd"):
            self._machine.stop(name)
        shutil.rmtree(components.locate_store(self._state))
        shutil.copytree(folder, components.locate_store(self._state))
        self._machine.ensure_control_plane_unit(units["etcd"])
        self.start_apiserver()
        for name in depending:
            self._machine.ensure_control_plane_unit(units[name])
        _in_parallel(self.restart_kubelet, self.nodes)

    def stop_node(self, node: str) -> None:
        """See Cluster."""
        self._state.number(node)
        self._machine.stop(node_components.name_unit(node, "holder"))

    def start_node(self, node: str) -> None:
        """See Cluster."""
        spec = self._state.nodes[self._state.number(node)]
        self._prepare_node(spec)
        self._join_node(spec)

    def list_dead(self) -> list[str]:
        """Return the units and holders that should be running but are not."""
        units = ["holder", *(unit.name for unit in components.render_units(self._state))]
        for node in self._state.nodes:
            units.append(node_components.name_unit(node.name, "holder"))
            units.extend(unit.name for unit in node_components.render_units(self._state, node).values())
        return [unit for unit in units if not self._machine.find(unit)]

    def explain_deaths(self) -> str:
        """Return what the logs of the units that have ended say last; an empty string if all run."""
        return "\n".join(filter(None, map(self._machine.explain_death, self.list_dead())))

    def find_process(self, unit: str) -> Process | None:
        """Return the process of a unit (``etcd``, ``kube-apiserver``, ``NODE.kubelet`` ...), None if it is dead."""
        return self._machine.find(unit)

    @property
    def _api(self) -> Api:
        authority = Authority(self._state.keys)
        pair = authority.issue("admin", certificates.ADMIN)
        return Api(components.locate_api(self._state), authority.certificate, pair)

    def _prepare_node(self, node: NodeSpec) -> None:
        """Start the parts of a node that do not need the API server."""
        cni = next(folder.name for folder in self._machine.programs if folder.name.startswith("cni-"))
        node_components.write_files(self._state, node, cni)
        self._machine.ensure_node_holder(node)
        self._machine.ensure_node_unit(node.name, node_components.render_units(self._state, node)["containerd"])

    def _join_node(self, node: NodeSpec) -> None:
        containerd = node_components.name_unit(node.name, "containerd")
        waiting.wait_until(
            lambda: self._machine.accepts_containers(node.name),
            f"containerd of {node.name} does not get ready",  # a kubelet exits if containerd is not ready
            seconds=CONTAINERD_PATIENCE,
            explain=lambda: self._machine.explain_death(containerd),
        )
        for unit in node_components.render_units(self._state, node).values():
            self._machine.ensure_node_unit(node.name, unit)

    def _wait_for_api(self) -> None:
        api = self._api
        waiting.wait_until(
            api.is_ready,
            "the API server does not get ready",
            seconds=API_PATIENCE,
            explain=lambda: self._machine.explain_death("kube-apiserver") or self._machine.explain_death("etcd"),
        )

    def _wait_for_nodes(self) -> None:
        api, labelled = self._api, set[str]()

        def are_usable() -> bool:
            found = {node["metadata"]["name"]: node for node in api.list_nodes()}
            for node in self._state.nodes:
                labels = list_admin_labels(node)
                if node.name in found and node.name not in labelled:
                    if labels:
                        api.merge(f"/api/v1/nodes/{node.name}", {"metadata": {"labels": labels}})
                    labelled.add(node.name)
            return (
                all(name in found and is_node_usable(found[name]) for name in self.nodes)
                and api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None
            )

        waiting.wait_until(are_usable, "the nodes do not get ready", seconds=NODE_PATIENCE, explain=self.explain_deaths)

    def _wait_for_names(self, node: str) -> None:
        dns.wait_for_answer(self._state.addresses.dns_service, self._machine.find_holder(node))

    def _pull(self, node: str, names: Iterable[str]) -> None:
        for name in names:
            done = self._machine.run_in_node(
                node,
                [
                    "ctr",
                    "--namespace=k8s.io",
                    "images",
                    "pull",
                    f"--hosts-dir={node_components.FILES}/registries",
                    name,
                ],
            )
            if done.returncode:
                raise ClusterError(f"{node} cannot pull {name}: {done.stderr.strip()}")

    def _write_user(self, subject: Subject) -> Path:
        name = certificates.name_files(subject)
        return components.write_user(self._state, name, subject, self._state.locate_kubeconfig(name))


def take_down(state: State) -> None:
    """Remove a local cluster, complete or not. Needs none of its programs."""
    prerequisites.check_root()
    with hold_lock(state.folder):
        Machine(state, ()).end()
        forget(state.name)


def _in_parallel(act: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(act, items))
