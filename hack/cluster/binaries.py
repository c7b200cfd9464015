"""The programs of a cluster, built once from their Go modules and kept in a cache.

Each folder of ``go/`` is an ordinary Go module whose ``tool`` lines name the programs. Some have lines of Go here:
CoreDNS, which selects its plugins, kubectl, which serves commands, the check of Grafana dashboards, and Flux. Programs
of a module are cached in a folder whose name is a digest of all build inputs, so another version gets another folder.
The folder gets that name once all programs are built, so an unfinished build is never mistaken for a finished one.
"""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.paths import hold_lock, locate_binaries
from hack.cluster.progress import Step
from hack.cluster.spec import KUBERNETES_VERSIONS

_GO_FILES = Path(__file__).with_name("go")
_BUILD_ENVIRONMENT = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}


@dataclass(frozen=True)
class Module:
    """A Go module in ``go/NAME``. ``patience`` is how long a first build takes on two cores, for the terminal."""

    name: str
    programs: tuple[str, ...]
    patience: str
    tags: str = ""
    version_of: str = ""
    """The required module whose version the programs report; it is set as Kubernetes' build scripts do."""
    renamed: tuple[tuple[str, str], ...] = ()
    """(name that the Go tool gives, name in the cache)"""


_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")
KUBERNETES = Module("kubernetes", (*_COMPONENTS, "kubectl"), "about 10 minutes", version_of="k8s.io/kubernetes")
"""The newest version. Its kubectl is used with every version."""
OLDER_KUBERNETES = {
    minor: Module(f"kubernetes-{minor}", _COMPONENTS, "about 10 minutes", version_of="k8s.io/kubernetes")
    for minor in KUBERNETES_VERSIONS[:-1]
}
KUBECTL = Module("kubectl", ("kubectl-served",), "seconds after Kubernetes", renamed=(("kubectl", "kubectl-served"),))
"""kubectl as a server of commands, for programs that run thousands."""
ETCD = Module("etcd", ("etcd",), "about a minute", renamed=(("server", "etcd"),))
CONTAINERD = Module(
    "containerd",
    ("containerd", "containerd-shim-runc-v2", "ctr"),
    "about 2 minutes",
    tags="no_btrfs",
)
COREDNS = Module("coredns", ("coredns",), "half a minute after Kubernetes")
CNI = Module("cni", ("host-local", "loopback", "portmap", "ptp"), "seconds")
HELM = Module("helm", ("helm",), "about 3 minutes")
KIND = Module("kind", ("kind",), "seconds")
KWOK = Module("kwok", ("kwok",), "about 3 minutes")
"""Simulates kubelets, for benchmarks with more nodes than a machine can run."""
KARPENTER = Module("karpenter", ("karpenter",), "about 4 minutes", renamed=(("kwok", "karpenter"),))
"""Starts nodes that KWOK simulates: Karpenter with its provider for KWOK."""
DASHBOARD = Module("dashboard", ("check-dashboard",), "about a minute")
"""Reads a Grafana dashboard by Grafana's schema. It is no part of a cluster; only tests use it."""
FLUX = Module("flux", ("flux-apply",), "about a minute", renamed=(("flux", "flux-apply"),))
"""Applies manifests as Flux does. It is no part of a cluster; only tests use it."""

LOCAL = (ETCD, CONTAINERD, CNI, KUBERNETES, KUBECTL, COREDNS, HELM)
"""The modules that the local backend, the tests and the demo use, with the newest Kubernetes."""
TOOLS = (KUBERNETES, KUBECTL, HELM)
"""The modules that the tests and the demo use with either backend."""

_MODULES = {
    program: module for module in (*LOCAL, KIND, KWOK, KARPENTER, DASHBOARD, FLUX) for program in module.programs
}


def path(program: str) -> Path:
    """Return the path of a program such as ``kubectl`` or ``helm``, which is built first if needed.

    Raises ClusterError if there is no such program or it cannot be built.
    """
    if program not in _MODULES:
        raise ClusterError(f"no program {program!r}: there are {', '.join(sorted(_MODULES))}")
    return ensure_module(_MODULES[program]) / program


def of_cluster(kubernetes: str) -> tuple[Module, ...]:
    """Return the modules of a local cluster with a minor version of Kubernetes, such as ``1.33``."""
    version = OLDER_KUBERNETES.get(kubernetes, KUBERNETES)
    return tuple(version if module is KUBERNETES else module for module in LOCAL)


def path_of_module(module: Module) -> Path:
    """Return the folder of a module's go.mod."""
    return _GO_FILES / module.name


def folder_of_dependency(module: Module, required: str) -> Path:
    """Return the folder with the source of a module that one of the modules here requires, as Go downloaded it."""
    listed = subprocess.run(
        ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", required],
        cwd=path_of_module(module),
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(listed.stdout.strip())


def ensure(modules: Sequence[Module] = LOCAL) -> tuple[Path, ...]:
    """Return the folders of these modules' programs, building what is not in the cache.

    Raises ClusterError if Go is missing, too old, or a build fails.
    """
    return tuple(ensure_module(module) for module in modules)


@functools.cache
def ensure_module(module: Module) -> Path:
    """Return the folder of one module's programs, which are built first if needed. Raises ClusterError."""
    source = _GO_FILES / module.name
    key = make_key(
        [path.read_bytes() for path in sorted(source.iterdir())],
        read_go_version(source),
        render_flags(module, (source / "go.mod").read_text()),
    )
    folder = locate_binaries() / f"{module.name}-{key}"
    if not folder.exists():
        with hold_lock(locate_binaries()):
            if not folder.exists():
                _build(module, folder)
    return folder


def make_key(files: Sequence[bytes], go_version: str, flags: Sequence[str]) -> str:
    """Return the cache key of these build inputs: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in (*files, go_version.encode(), *(flag.encode() for flag in flags)):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()[:12]


def render_flags(module: Module, go_mod: str) -> list[str]:
    """Return the flags of ``go build``."""
    linker = "-s -w"
    if module.version_of:
        version = read_version(go_mod, module.version_of)
        major, minor = version.removeprefix("v").split(".")[:2]
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        for name, value in values.items():
            linker += f" -X k8s.io/component-base/version.{name}={value}"
    return [*(["-tags", module.tags] if module.tags else []), "-trimpath", "-ldflags", linker]


def read_version(go_mod: str, required: str) -> str:
    """Return the version (``v1.2.3``) of a module that a go.mod requires. Raises ClusterError."""
    found = re.search(rf"^(?:require)?\s*{re.escape(required)} (v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise ClusterError(f"a go.mod in {_GO_FILES} does not require {required}")
    return found[1]


@functools.cache
def read_go_version(source: Path) -> str:
    """Return the version of the Go that builds the module in a folder. Raises ClusterError if none does."""
    if not shutil.which("go"):
        raise ClusterError(
            "Go is missing: the cluster's programs are built with it. Install Go 1.26 or later from go.dev/dl"
        )
    # go list fails if the go.mod requires a newer Go; go env does not.
    for command in (["go", "list", "-m"], ["go", "env", "GOVERSION"]):
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(
                f"this Go can not build {source.name}: {done.stderr.strip()}. Install the Go that its go.mod asks for, "
                "or let Go fetch it by itself: go env -w GOTOOLCHAIN=auto"
            )
    return done.stdout.strip()


def _build(module: Module, folder: Path) -> None:
    source = _GO_FILES / module.name
    with (
        Step(f"Building {', '.join(module.programs)} ({module.patience} the first time)"),
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{module.name}-") as scratch,
    ):
        made = Path(scratch, "bin")
        made.mkdir()
        flags = render_flags(module, (source / "go.mod").read_text())
        done = subprocess.run(
            # Clusters may run meanwhile, and what is tested there has time limits.
            ["nice", "go", "build", *flags, "-o", f"{made}{os.sep}", "tool"],
            cwd=source,
            env=os.environ | _BUILD_ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"building {module.name} failed:\n{done.stderr.strip()[-4000:]}")
        for built, wanted in module.renamed:
            (made / built).rename(made / wanted)
        if missing := [program for program in module.programs if not (made / program).exists()]:
            raise ClusterError(f"the module {module.name} did not build {', '.join(missing)}")
        made.rename(folder)
