"""A node: its files, its mounts, and its units containerd, kubelet and kube-proxy.

In its mount namespace a node has its own /run, /var and /tmp. So all files have their usual paths without being this
machine's, and socket paths stay short (the kernel allows 107 bytes) whatever the path of the cluster's folder. Plain
files are mounted over the machine-wide sysctls that a kubelet sets.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from hack.cluster.control_plane.certificates import Authority, make_kubelet
from hack.cluster.control_plane.components import Unit, locate_registry, write_user
from hack.cluster.paths import locate_binaries, replace_text
from hack.cluster.spec import NodeSpec, may_kubelet_set, parse_taint
from hack.cluster.state import State

NAMESPACES = ("mnt", "net", "pid", "uts")
PROGRAMS = "/run/node/bin"
FILES = "/run/node/etc"
PAUSE_IMAGE = "localhost/pause:1"
DOMAIN = "cluster.local"
"""The domain in which the names of Services end."""

# The kubelet writes these sysctls, which apply to the whole machine, not to a namespace.
COVERED_SYSCTLS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

# Plugins that are useless here, or would read or write files of this machine.
_DISABLED_PLUGINS = (
    "io.containerd.image-verifier.v1.bindir",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.nri.v1.nri",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
)


def name_unit(node: str, program: str) -> str:
    """Return the name of a node's unit, and of its log and record."""
    return f"{node}.{program}"


def write_files(state: State, node: NodeSpec, cni_folder: str) -> None:
    """Write everything that a node's units read. ``cni_folder`` is the CNI programs' folder in the cache."""
    files = state.node_folder(node.name) / "etc"
    addresses = [family.node(state.number(node.name)) for family in state.addresses.families]
    user = make_kubelet(node.name)
    write_user(state, f"kubelet-{node.name}", user, files / "kubelet.kubeconfig")
    authority = Authority(state.keys)
    certificate, key = authority.issue(f"kubelet-server-{node.name}", user, names=(node.name,), addresses=addresses)
    for name, text in {
        "ca.crt": authority.certificate.read_text(),
        "kubelet.crt": certificate.read_text(),
        "kubelet.key": key.read_text(),
        "kube-proxy.kubeconfig": state.locate_kubeconfig("kube-proxy").read_text(),
        "kubelet.yaml": yaml.safe_dump(render_kubelet_config(state, node)),
        "kube-proxy.yaml": yaml.safe_dump(render_proxy_config(state, node)),
        "containerd.toml": render_containerd_config(f"{PROGRAMS}/{cni_folder}"),
        "registries/_default/hosts.toml": render_registry_config(locate_registry(state)),
        "cni/10-sovereign.conflist": json.dumps(render_cni_config(state, node), indent=2),
        "resolv.conf": "# This machine's resolver is out of a pod's reach.\n",
    }.items():
        replace_text(files / name, text)


def make_folders(state: State, node: str) -> None:
    """Create the folders that become a node's /var and /tmp, and the files that cover sysctls."""
    folder = state.node_folder(node)
    for name in ("var/cache", "var/lib", "var/log/pods", "var/tmp", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "var/tmp").chmod(0o1777)
    for name, target in (("run", "/run"), ("lock", "/run/lock")):
        link = folder / "var" / name
        if not link.is_symlink():
            link.symlink_to(target)
    for name in _list_covered():
        # Copied once: afterwards the file holds what a kubelet wrote.
        if not (folder / "sysctls" / name).exists():
            replace_text(folder / "sysctls" / name, Path("/proc/sys", name).read_text(), 0o644)


def render_mounts(state: State, node: str) -> list[dict[str, str]]:
    """Return a node's mounts, in order; see engine/namespaces.py."""
    folder = state.node_folder(node)
    return [
        {"kind": "tmpfs", "target": "/run"},
        _bind(folder / "var", "/var"),
        _bind(folder / "tmp", "/tmp"),  # noqa: S108  # the node's own
        _bind(folder / "etc", FILES),
        _bind(locate_binaries(), PROGRAMS),
        # A new sysfs shows the node's network interfaces instead of this machine's, but has no cgroups.
        {"kind": "sysfs", "target": "/sys"},
        _bind(Path("/sys/fs/cgroup"), "/sys/fs/cgroup"),
        {"kind": "proc", "target": "/proc"},
        *(_bind(folder / "sysctls" / name, f"/proc/sys/{name}") for name in _list_covered()),
    ]


def _bind(source: Path, target: str) -> dict[str, str]:
    return {"kind": "bind", "source": str(source), "target": target}


def _list_covered() -> list[str]:
    return [name for name in COVERED_SYSCTLS if Path("/proc/sys", name).exists()]


def render_units(state: State, node: NodeSpec) -> dict[str, Unit]:
    """Return a node's units by program, in the order in which they start."""
    return {
        "containerd": Unit(name_unit(node.name, "containerd"), ("containerd", f"--config={FILES}/containerd.toml")),
        "kubelet": Unit(name_unit(node.name, "kubelet"), ("kubelet", *render_kubelet_flags(state, node))),
        "kube-proxy": Unit(name_unit(node.name, "kube-proxy"), ("kube-proxy", f"--config={FILES}/kube-proxy.yaml")),
    }


def render_kubelet_flags(state: State, node: NodeSpec) -> list[str]:
    """Return the kubelet's flags, for settings that its configuration file does not have."""
    own = {key: value for key, value in node.labels.items() if may_kubelet_set(key)}
    labels = ",".join(f"{key}={value}" for key, value in sorted(own.items()))
    return [
        f"--config={FILES}/kubelet.yaml",
        f"--kubeconfig={FILES}/kubelet.kubeconfig",
        f"--hostname-override={node.name}",
        f"--node-ip={','.join(str(family.node(state.number(node.name))) for family in state.addresses.families)}",
        *([f"--node-labels={labels}"] if labels else []),
    ]


def render_kubelet_config(state: State, node: NodeSpec) -> dict[str, object]:
    """Return a node's KubeletConfiguration."""
    config: dict[str, object] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{FILES}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{FILES}/kubelet.crt",
        "tlsPrivateKeyFile": f"{FILES}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{state.cgroup}/{node.name}",
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "clusterDNS": [str(state.addresses.dns_service)],
        "clusterDomain": DOMAIN,
        "resolvConf": f"{FILES}/resolv.conf",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "serializeImagePulls": False,
        # The disk belongs to the machine: a kubelet must not react to how full it is.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
    }
    if node.provider_id:
        config["providerID"] = node.provider_id
    if node.taints:
        config["registerWithTaints"] = [parse_taint(taint) for taint in node.taints]
    return config


def render_proxy_config(state: State, node: NodeSpec) -> dict[str, object]:
    """Return a node's KubeProxyConfiguration, with nftables: one program, and nothing left outside the node."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": ",".join(str(family.pods) for family in state.addresses.families),
        "hostnameOverride": node.name,
        "clientConnection": {"kubeconfig": f"{FILES}/kube-proxy.kubeconfig"},
        # 0 means unchanged: the size of the conntrack table applies to the whole machine.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def render_cni_config(state: State, node: NodeSpec) -> dict[str, object]:
    """Return a node's CNI configuration.

    ptp instead of a bridge routes all traffic between pods, so kube-proxy's rules apply to it without the kernel
    module br_netfilter. The addresses in use are recorded on the tmpfs and end with the node.
    """
    families = state.addresses.families
    ipam = {
        "type": "host-local",
        "dataDir": "/run/cni",
        "ranges": [[{"subnet": str(family.pods_of(state.number(node.name)))}] for family in families],
        "routes": [{"dst": default} for default in ("0.0.0.0/0", "::/0")[: len(families)]],
    }
    portmap = {
        "type": "portmap",
        "capabilities": {"portMappings": True},
        "snat": True,
        "backend": "nftables",
    }
    return {
        "cniVersion": "1.0.0",
        "name": "sovereign",
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": ipam}, portmap],
    }


def render_containerd_config(cni_programs: str) -> str:
    """Return a node's containerd configuration (TOML)."""
    disabled = ", ".join(f"'{name}'" for name in _DISABLED_PLUGINS)
    return f"""\
version = 4
disabled_plugins = [{disabled}]

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{PAUSE_IMAGE}'
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '{FILES}/registries'

[plugins.'io.containerd.cri.v1.runtime']
  # Loading a profile would leave it in the machine's kernel.
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE nothing may lower the score below what it has, and every sandbox would fail.
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['{cni_programs}']
  conf_dir = '{FILES}/cni'
"""


def render_registry_config(registry: str) -> str:
    """Return the hosts.toml that sends pulls from all registries to the cluster's own."""
    return f"""\
server = '{registry}'

[host.'{registry}']
  capabilities = ['pull', 'resolve']
"""


def render_path(programs: Sequence[Path]) -> list[str]:
    """Return the PATH inside a node for these folders of the cache."""
    return [f"{PROGRAMS}/{folder.name}" for folder in programs]
