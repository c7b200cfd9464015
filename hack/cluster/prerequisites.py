"""What the local backend needs on this machine, and how to install it."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.progress import Step

PACKAGES = {
    "busybox": "busybox-static",
    "curl": "curl",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
}
"""Debian's package for each program that is used at run time."""

COMMAND = "python -m hack.cluster prerequisites"


def check() -> None:
    """Raise ClusterError, saying what to do, unless this machine can run the local backend."""
    check_root()
    if missing := list_missing():
        programs = ", ".join(sorted(missing))
        raise ClusterError(
            f"these programs are missing: {programs}. To install them from Debian's packages, as root: {COMMAND}"
        )
    if "overlay" not in Path("/proc/filesystems").read_text():
        # Probably a module that the first mount would load. If modprobe fails, the kernel does not have it.
        done = subprocess.run(["modprobe", "overlay"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"this kernel has no overlay file system: {done.stderr.strip()}")


def check_root() -> None:
    """Raise ClusterError unless this is Linux and the user is root."""
    if platform.system() != "Linux":
        raise ClusterError("the local backend runs on Linux only; with a Docker engine use --backend kind")
    if os.geteuid() != 0:
        raise ClusterError("the local backend needs root, for namespaces and cgroups; try again with sudo -E")


def list_missing() -> dict[str, str]:
    """Return the missing programs and the Debian packages that have them."""
    return {program: package for program, package in PACKAGES.items() if not shutil.which(program)}


def install() -> None:
    """Print what is missing and install it. Raises ClusterError if that is not possible."""
    missing = list_missing()
    if not missing:
        print("Nothing is missing.")
        return
    packages = sorted(set(missing.values()))
    print(f"Missing: {', '.join(sorted(missing))}. Debian packages: {' '.join(packages)}")
    if not shutil.which("apt-get"):
        raise ClusterError("this is not Debian: install these programs the way this system does")
    check_root()
    with Step(f"Installing {' '.join(packages)}"):
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *packages)
    if still := list_missing():
        raise ClusterError(f"after the installation these programs are still missing: {', '.join(still)}")


def _apt(*arguments: str) -> None:
    """Run apt-get; show its output only if it fails. Raises ClusterError."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "--quiet", *arguments]
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        wrong = f"{' '.join(command)} failed: have it succeed by hand, then try again. It said:"
        raise ClusterError(f"{wrong}\n{done.stdout.strip()}")
