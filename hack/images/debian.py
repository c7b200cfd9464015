"""Root folders and image layers from Debian's packages.

A base (debootstrap) is built once. Further packages are installed on an overlay mount of it, whose upper folder
becomes a layer of its own. All mounts are in a mount namespace that ends with the build, so none is left behind.
"""

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.images import apt, cache
from hack.images.errors import ImageBuildError
from hack.images.layers import Layer

_LOG = logging.getLogger(__name__)

RECIPE = 1
"""Counts changes of this module that change what it builds."""

SLIMMING = """\
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
"""
"""dpkg's settings to leave out files that no container reads; licences stay."""

LEFTOVERS = (
    "etc/*-",
    "etc/apt/sources.list",
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "root/.wget-hsts",
    "tmp/*",
    "usr/share/doc/*/*",
    "usr/share/info/*",
    "usr/share/lintian/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/*/*",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/*-old",
    "var/log/*",
)
"""Files that building leaves behind and an image does not need. Files named ``copyright`` are kept nevertheless."""

_ENTER = """\
set -e
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$WORK/upper,workdir=$WORK/work,redirect_dir=off" "$WORK/root"
cd "$WORK/root"
mount -t proc proc proc
mount --rbind /dev dev
if [ -n "$TREE" ]; then
    mount --bind "$TREE" mnt
fi
if [ -n "$APT" ]; then
    mount --bind "$APT" etc/apt
    mount --bind "$PACKAGES" var/cache/apt/archives
    mount --bind "$LISTS" var/lib/apt/lists
    mount --bind "$(readlink -f /etc/resolv.conf)" etc/resolv.conf
    mount --bind /etc/hosts etc/hosts
fi
exec chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \\
    DEBIAN_FRONTEND=noninteractive "$@"
"""

_INSTALL = """\
apt-get -qq update
apt-get -qq install --no-install-recommends {packages}
dpkg-query -W -f '${{Package}} ${{Version}}\\n' {packages} >/tmp/versions
{script}
"""


@dataclass(frozen=True)
class Root:
    """A root folder made of packages.

    ``layers`` are its image layers and ``folders`` the same unpacked, both with the lowest first; ``versions`` has the
    version of each requested package.
    """

    layers: tuple[Layer, ...]
    folders: tuple[Path, ...]
    versions: Mapping[str, str]


def build_base() -> Root:
    """Return a minimal Debian, built on first use. Raises ImageBuildError."""
    key = cache.make_key(RECIPE, apt.SUITE, SLIMMING, LEFTOVERS)
    return _load_or_make(key, Root((), (), {}), _bootstrap)


def install(*packages: str, script: str = "", below: Root | None = None) -> Root:
    """Return ``below`` (default: a minimal Debian) with packages in one more layer.

    ``script`` (sh, as root, in the new root folder) runs afterwards. The result is built on first use for each
    combination of arguments. Raises ImageBuildError.
    """
    base = below or build_base()
    key = cache.make_key(RECIPE, *(layer.digest for layer in base.layers), sorted(packages), script)
    return _load_or_make(key, base, lambda target: _install(base, sorted(packages), script, target))


def run(root: Root, tree: Path, script: str) -> None:
    """Run a script (sh, as root) inside a root folder, with the folder ``tree`` at ``/mnt``.

    Its changes elsewhere are discarded. Raises ImageBuildError if it fails.
    """
    _check_machine()
    with cache.make_scratch() as scratch:
        _run_inside(root, scratch, script, {"TREE": str(tree)})


@contextmanager
def running(root: Root, tree: Path, script: str) -> Iterator[None]:
    """Run a script as ``run`` does while the context lasts, in the network of this machine; it is killed at the end.

    Where its output goes is the script's affair. Raises ImageBuildError if the machine cannot run it.
    """
    _check_machine()
    with cache.make_scratch() as scratch:
        command, environment = _enter(root, scratch, script, {"TREE": str(tree)})
        with subprocess.Popen(_isolate(command), env=environment, stdin=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.kill()


def _load_or_make(key: str, base: Root, make: Callable[[Path], Mapping[str, str]]) -> Root:
    """Return ``base`` with one more layer: the folder that ``make`` fills. ``make`` returns the versions."""
    folder = cache.locate_root() / "roots" / key[:16]
    record = folder.with_suffix(".json")
    with cache.hold_lock(folder.name):
        known = json.loads(record.read_text()) if record.exists() else {}
        layer = Layer.load(known["layer"]) if known else None
        if layer is None or not folder.is_dir():
            with cache.make_scratch() as scratch:
                versions = make(scratch / "target")
                layer = Layer.from_tree(scratch / "target")
                shutil.rmtree(folder, ignore_errors=True)
                folder.parent.mkdir(parents=True, exist_ok=True)
                (scratch / "target").rename(folder)
            known = {"layer": layer.digest, "versions": dict(versions)}
            with cache.replace_file(record) as made:
                made.write_text(json.dumps(known))
    return Root((*base.layers, layer), (*base.folders, folder), known["versions"])


def _bootstrap(target: Path) -> Mapping[str, str]:
    _check_machine()
    _LOG.info("making a minimal Debian %s", apt.SUITE)
    packages = _make_folder("packages")
    command = ["debootstrap", "--variant=minbase", f"--cache-dir={packages}", apt.SUITE, str(target)]
    _run_isolated([*command, apt.find_mirrors().main], dict(os.environ))
    (target / "etc/dpkg/dpkg.cfg.d/slim").write_text(SLIMMING)
    policy = target / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")  # no service starts when a package is installed
    policy.chmod(0o755)
    _strip(target)
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    for file in ("etc/hosts", "etc/resolv.conf"):
        (target / file).write_text("")  # mount points
    return {}


def _install(base: Root, packages: Sequence[str], script: str, target: Path) -> Mapping[str, str]:
    _check_machine()
    _LOG.info("installing %s", ", ".join(packages))
    with cache.make_scratch() as scratch, cache.hold_lock("apt"):  # the lists and archives are shared
        apt.write_settings(scratch / "apt")
        variables = {
            "APT": str(scratch / "apt"),
            "PACKAGES": str(_make_folder("packages")),
            "LISTS": str(_make_folder("lists")),
        }
        _run_inside(base, scratch, _INSTALL.format(packages=" ".join(packages), script=script), variables)
        upper = scratch / "upper"
        versions = (upper / "tmp" / "versions").read_text()
        _strip(upper)
        upper.rename(target)
    return dict(line.split() for line in versions.splitlines())


def _run_inside(root: Root, scratch: Path, script: str, variables: Mapping[str, str]) -> None:
    _run_isolated(*_enter(root, scratch, script, variables))


def _enter(
    root: Root, scratch: Path, script: str, variables: Mapping[str, str]
) -> tuple[Sequence[str], Mapping[str, str]]:
    """Return the command that runs a script inside a root folder, and its environment."""
    for name in ("upper", "work", "root"):
        (scratch / name).mkdir()
    (scratch / "upper").chmod(0o755)
    lower = ":".join(str(folder) for folder in reversed(root.folders))
    environment = {"PATH": os.environ["PATH"], "LOWER": lower, "WORK": str(scratch), **variables}
    proxies = [f"{name}={value}" for name, value in apt.list_proxies().items()]
    return ["sh", "-c", _ENTER, "sh", *proxies, "sh", "-ec", script], environment


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise ImageBuildError("building images needs root (it mounts and changes root): use sudo")
    for tool in ("debootstrap", "unshare", "setpriv"):
        if shutil.which(tool) is None:
            package = "debootstrap" if tool == "debootstrap" else "util-linux"
            raise ImageBuildError(f"{tool} is missing: apt-get install {package}")


def _isolate(command: Sequence[str]) -> list[str]:
    """Return a command whose mounts and processes outlive neither it nor this process."""
    isolate = ["unshare", "--mount", "--propagation=private", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]
    return ["setpriv", "--pdeathsig=KILL", "--", *isolate, "--", *command]


def _run_isolated(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command in isolation. Raises ImageBuildError."""
    result = subprocess.run(
        _isolate(command),
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-20:])
        raise ImageBuildError(f"{command[0]} failed with status {result.returncode}:\n{tail}")


def _strip(root: Path) -> None:
    """Remove leftovers, but nothing behind a symbolic link, which may lead out of the root folder."""
    real = root.resolve()
    for pattern in LEFTOVERS:
        for path in list(real.glob(pattern)):
            if path.name == "copyright" or path.parent.resolve() != path.parent:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _make_folder(name: str) -> Path:
    folder = cache.locate_root() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
