"""The control plane: etcd, API server, controller manager, scheduler and the image registry, as units.

They share the cluster's own network namespace. etcd and the registry need no credentials: etcd listens only on that
namespace's loopback, and the registry is read-only.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.control_plane import certificates
from hack.cluster.control_plane.certificates import ADMIN, Authority, Subject, ensure_key_pair
from hack.cluster.paths import replace_text
from hack.cluster.state import State

API_PORT = 6443
REGISTRY_PORT = 5000
REGISTRY_PROGRAM = Path(__file__).with_name("registry.py")

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
"""


@dataclass(frozen=True)
class Unit:
    """A program that runs for as long as its cluster or node does. ``argv[0]`` is found on the units' PATH."""

    name: str
    argv: tuple[str, ...]


def locate_api(state: State) -> str:
    """Return the API server's URL, the same for this machine, nodes and pods."""
    return f"https://{state.addresses.control_plane}:{API_PORT}"


def locate_registry(state: State) -> str:
    """Return the URL of the registry that nodes pull from."""
    return f"http://{state.addresses.control_plane}:{REGISTRY_PORT}"


AUDIT_LOG_MEGABYTES = "2000"
"""Enough to keep all of a cluster's short life in one file. By default the API server rotates the log at 100."""


def locate_audit_log(state: State) -> Path:
    """Return where the API server writes one JSON object per request."""
    return state.folder / "logs" / "audit.log"


def locate_store(state: State) -> Path:
    """Return the folder of etcd, which has all that the API server has stored."""
    return state.folder / "etcd"


def write_credentials(state: State) -> None:
    """Create the certificates, keys and kubeconfigs of the control plane and the administrator."""
    authority, front_proxy = Authority(state.keys), Authority(state.keys, "front-proxy-ca")
    authority.ensure()
    front_proxy.ensure()
    ensure_key_pair(state.keys, "service-accounts")
    addresses = state.addresses
    authority.issue(
        "apiserver",
        Subject("kube-apiserver"),
        names=("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"),
        addresses=(addresses.control_plane, addresses.kubernetes_service),
    )
    authority.issue("apiserver-kubelet-client", Subject("kube-apiserver", ("system:masters",)))
    front_proxy.issue("front-proxy-client", Subject("front-proxy-client"))
    for name, subject in (
        ("admin", ADMIN),
        ("controller-manager", Subject("system:kube-controller-manager")),
        ("scheduler", Subject("system:kube-scheduler")),
        ("kube-proxy", Subject("system:kube-proxy")),  # one for all nodes, which are created concurrently
    ):
        path = state.kubeconfig if subject == ADMIN else state.locate_kubeconfig(name)
        write_user(state, name, subject, path)


def write_user(state: State, name: str, subject: Subject, path: Path) -> Path:
    """Write a kubeconfig for a subject, with a certificate of the cluster's own authority."""
    return certificates.write_user(state.keys, name, subject, path, server=locate_api(state), context=state.name)


def write_files(state: State) -> None:
    """Write the control plane's configuration."""
    replace_text(state.folder / "audit-policy.yaml", AUDIT_POLICY)


def render_units(state: State) -> list[Unit]:
    """Return the control plane's units, in the order in which they start."""
    return [
        render_etcd(state),
        render_api_server(state),
        render_registry(state),
        render_controller_manager(state),
        render_scheduler(state),
    ]


def render_etcd(state: State) -> Unit:
    """Return etcd, without fsync: its data need not survive a crash of the machine."""
    flags = {
        "data-dir": locate_store(state),
        "listen-client-urls": "http://127.0.0.1:2379",
        "advertise-client-urls": "http://127.0.0.1:2379",
        "listen-peer-urls": "http://127.0.0.1:2380",
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }
    return Unit("etcd", ("etcd", *_render_flags(flags)))


def render_api_server(state: State) -> Unit:
    """Return the API server."""
    keys, addresses = state.keys, state.addresses
    flags = {
        "advertise-address": addresses.control_plane,
        "secure-port": API_PORT,
        "etcd-servers": "http://127.0.0.1:2379",
        "service-cluster-ip-range": ",".join(str(family.services) for family in addresses.families),
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        # The API server connects to webhooks and aggregated APIs at their pods: there is no kube-proxy here.
        "enable-aggregator-routing": "true",
        "audit-log-path": locate_audit_log(state),
        "audit-log-maxsize": AUDIT_LOG_MEGABYTES,
        "audit-policy-file": state.folder / "audit-policy.yaml",
        "client-ca-file": keys / "ca.crt",
        "tls-cert-file": keys / "apiserver.crt",
        "tls-private-key-file": keys / "apiserver.key",
        "kubelet-certificate-authority": keys / "ca.crt",
        "kubelet-client-certificate": keys / "apiserver-kubelet-client.crt",
        "kubelet-client-key": keys / "apiserver-kubelet-client.key",
        # No resolver here resolves node names.
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": keys / "service-accounts.pub",
        "service-account-signing-key-file": keys / "service-accounts.key",
        "requestheader-client-ca-file": keys / "front-proxy-ca.crt",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "proxy-client-cert-file": keys / "front-proxy-client.crt",
        "proxy-client-key-file": keys / "front-proxy-client.key",
    }
    return Unit("kube-apiserver", ("kube-apiserver", *_render_flags(flags)))


def render_controller_manager(state: State) -> Unit:
    """Return the controller manager. It allocates no pod CIDRs: each node's is in its CNI configuration."""
    kubeconfig = state.locate_kubeconfig("controller-manager")
    flags = {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": "127.0.0.1",
        "leader-elect": "false",
        "use-service-account-credentials": "true",
        "allocate-node-cidrs": "false",
        # By default 20 a second: a benchmark with 4,000 pods would wait for these alone.
        "kube-api-qps": "200",
        "kube-api-burst": "400",
        # By default 50 s. On a busy machine leases of nodes come late, and pods of dead nodes count as not ready.
        "node-monitor-grace-period": "5m",
        # The default is outside the cluster's folder, and the controller manager creates it if missing.
        "flex-volume-plugin-dir": state.folder / "volume-plugins",
        "root-ca-file": state.keys / "ca.crt",
        "service-account-private-key-file": state.keys / "service-accounts.key",
        "cluster-signing-cert-file": state.keys / "ca.crt",
        "cluster-signing-key-file": state.keys / "ca.key",
    }
    return Unit("kube-controller-manager", ("kube-controller-manager", *_render_flags(flags)))


def render_scheduler(state: State) -> Unit:
    """Return the scheduler."""
    kubeconfig = state.locate_kubeconfig("scheduler")
    flags = {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": "127.0.0.1",
        "leader-elect": "false",
    }
    return Unit("kube-scheduler", ("kube-scheduler", *_render_flags(flags)))


def render_registry(state: State) -> Unit:
    """Return the image registry."""
    argv = (
        sys.executable,
        "-I",
        "-S",
        str(REGISTRY_PROGRAM),
        str(state.images),
        str(state.addresses.control_plane),
        str(REGISTRY_PORT),
    )
    return Unit("registry", argv)


def _render_flags(flags: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]
