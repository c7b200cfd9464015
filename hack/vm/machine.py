"""Boots a kernel in a virtual machine, and runs a script there as its first process.

QEMU emulates the processor (TCG): KVM is not everywhere, and within a virtual machine it often does not work. So all is
some ten times slower there.
"""

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from hack.vm import initramfs
from hack.vm.packages import Kernel, qemu

MEMORY: Final = "2G"
"""The archive and its content are in memory together."""
PATIENCE_SECONDS: Final = 600
END: Final = "the script ended with"

_SCRIPT: Final = """\
export PATH=/bin:/sbin HOME=/root LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /run/netns /dev/shm
ip link set lo up
(
{script}
) < /dev/null 2>&1
echo "{end} $?"
poweroff -f
"""


def run(
    kernel: Kernel,
    script: str,
    *,
    arguments: Sequence[str] = (),
    without: Sequence[str] = (),
    packages: Iterable[str] = (),
) -> tuple[int, str]:
    """Run a script of a shell on a kernel. Return its exit code, and what it has printed.

    ``arguments`` are for the kernel's command line; ``without`` are modules that are not installed; ``packages`` are
    those of Python that are. Raises RuntimeError if the machine ends before the script.
    """
    with tempfile.TemporaryDirectory(prefix="vm-") as folder:
        archive = Path(folder) / "initramfs"
        whole = _SCRIPT.format(script=script, end=END)
        initramfs.write(kernel, archive, whole, without=without, packages=packages)
        said = _boot(kernel, archive, ["console=ttyS0", "panic=-1", "quiet", *arguments])
    printed, found, code = said.rpartition(END)
    if not found:
        raise RuntimeError(f"the machine with {kernel.version} ended before its script:\n{said[-4000:]}")
    return int(code.split()[0]), printed


def _boot(kernel: Kernel, archive: Path, arguments: Sequence[str]) -> str:
    found = qemu()
    line = [
        *(str(found.program), "-accel", "tcg", "-cpu", "max", "-m", MEMORY),
        *("-nographic", "-no-reboot", "-nic", "none"),
        *("-kernel", str(kernel.image), "-initrd", str(archive), "-append", " ".join(arguments)),
        *(word for folder in found.folders for word in ("-L", str(folder))),
    ]
    environment = {"LD_LIBRARY_PATH": ":".join(map(str, found.libraries)), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        line, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE_SECONDS, env=environment
    )
    return (done.stdout + done.stderr).replace("\r", "")
