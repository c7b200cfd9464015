"""The root folder of a virtual machine, as the archive from which a kernel fills its memory (cpio, format newc).

It has this machine's Python and packages, and the few programs that agent and data plane need, with their libraries.
Source of the format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from hack.vm.packages import Kernel

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = ("operator", "hack", "tests", "pyproject.toml")
"""What of this repository is in the machine, at the same path."""
PROGRAMS: Final = ("nft", "ip", "nsenter", "unshare", "setpriv", "busybox")
APPLETS: Final = (
    *(
        "sh",
        "mount",
        "umount",
        "mkdir",
        "chown",
        "cat",
        "ls",
        "sleep",
        "modprobe",
        "poweroff",
        "uname",
        "sysctl",
        "env",
    ),
    *("touch", "rm", "mv", "ln", "grep"),
)
"""Programs that busybox stands in for."""
LEFT_OUT: Final = re.compile(r".*/(__pycache__|site-packages|test|idlelib|ensurepip|config-[^/]*|node_modules)")
"""Large parts of Python and of this repository that nothing in a virtual machine uses."""
MODULES: Final = ("kernel/net", "kernel/drivers/net", "kernel/lib")
"""Folders of modules: those that have to do with networks, and what these need."""
INIT: Final = "init"


def write(kernel: Kernel, archive: Path, script: str, *, without: Sequence[str], packages: Iterable[str]) -> None:
    """Write the archive for a kernel. ``script`` is run by a shell as the first process.

    ``without`` are modules of the kernel that are left out, ``packages`` those of Python that are not.
    """
    place = archive.with_suffix(".files")
    modules = place / "lib" / "modules" / kernel.version
    for folder in MODULES:
        if (kernel.modules / folder).exists():
            shutil.copytree(kernel.modules / folder, modules / folder)
    for name in ("modules.builtin", "modules.order"):
        shutil.copy(kernel.modules / name, modules / name)
    for name in without:
        (module,) = modules.rglob(f"{name}.ko")
        module.unlink()
    subprocess.run(["busybox", "depmod", "-b", str(place), kernel.version], check=True)
    (place / INIT).write_text(f"#!/bin/sh\n{script}")
    (place / INIT).chmod(0o755)
    with archive.open("wb") as file:
        Archive(file).add_all(place, packages)
    shutil.rmtree(place)


class Archive:
    """An archive that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        self._written: set[str] = set()

    def add_all(self, place: Path, packages: Iterable[str]) -> None:
        """Add everything: this machine's programs, packages of this Python, and what is in a folder."""
        for folder in ("proc", "sys", "dev", "run", "tmp", "root", "etc", "bin", "sbin", "usr/bin", "usr/sbin"):
            self._add(folder, stat.S_IFDIR | 0o755)
        self._add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
        self._add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
        for path in _list_files(packages):
            self._add_path(str(path).lstrip("/"), path)
        for name in PROGRAMS:
            self._add_path(f"bin/{name}", Path(shutil.which(name) or name).resolve())
        for name in APPLETS:
            self._add(f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox")
        self._add("sbin/modprobe", stat.S_IFLNK | 0o777, b"../bin/busybox")
        self._add("etc/passwd", stat.S_IFREG | 0o644, b"root:x:0:0:root:/root:/bin/sh\n")
        for path in sorted(place.rglob("*")):
            self._add_path(str(path.relative_to(place)), path)
        self._add("TRAILER!!!", 0)

    def _add_path(self, name: str, path: Path) -> None:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            self._add(name, found.st_mode, str(path.readlink()).encode())
        elif stat.S_ISDIR(found.st_mode):
            self._add(name, found.st_mode)
        elif stat.S_ISREG(found.st_mode):
            self._add(name, found.st_mode, path.read_bytes())

    def _add(self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        parent = os.path.dirname(name)  # noqa: PTH120 - names in the archive
        if parent and parent not in self._written:
            self._add(parent, stat.S_IFDIR | 0o755)
        if name in self._written:
            return
        self._written.add(name)
        self._number += 1
        path = name.encode() + b"\0"
        fields = (self._number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        self._file.write(_padded(header + path) + _padded(content))


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)


def packages_of(*modules: str) -> frozenset[str]:
    """Return the packages of this Python that are imported with some modules of this repository."""
    line = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", line], check=True, capture_output=True, text=True, cwd=ROOT)
    # Where the system has time zones of its own, as this one may, zoneinfo does not import its package.
    names = {name.partition(".")[0] for name in done.stdout.split()} | {"tzdata"}
    return frozenset(name for name in names if any(_installed(name)))


def _installed(package: str) -> Iterator[Path]:
    """Yield the files and folders of a package."""
    folder = Path(sysconfig.get_path("purelib"))
    return (path for path in (folder / package, *folder.glob(f"{package}.*")) if path.exists())


def _list_files(packages: Iterable[str]) -> Iterator[Path]:
    """Yield this Python, some packages, this repository, and the libraries that all of it loads."""
    base = Path(sys.base_prefix)
    folders = [Path(sysconfig.get_path("stdlib")), *(ROOT / name for name in SOURCES)]
    folders += [path for package in packages for path in _installed(package)]
    programs = [Path(shutil.which(name) or name) for name in PROGRAMS]
    files = [path for folder in folders for path in _walk(folder)]
    yield from files
    # The Python of a virtual environment is a link to the one that it was made from.
    links = [*_followed(Path(sys.executable))]
    yield from links
    yield from (path for path in (Path(sys.prefix) / "pyvenv.cfg", *base.glob("lib/libpython3*.so*")) if path.exists())
    loading = [path for path in files if ".so" in path.suffixes or path.parent.name == "_bin"]
    yield from _libraries([*programs, links[-1], *loading])


def _walk(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    for folder, names, files in os.walk(place):
        names[:] = [name for name in names if not LEFT_OUT.fullmatch(f"{folder}/{name}")]
        yield from (Path(folder, name) for name in files if not LEFT_OUT.fullmatch(f"{folder}/{name}"))


def _libraries(programs: Iterable[Path]) -> Iterator[Path]:
    """Yield the libraries that programs load, at the paths at which they look for them."""
    found: set[str] = set()
    for program in programs:
        said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        found |= set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", said, re.MULTILINE))
    for name in sorted(found):
        yield from _followed(Path(name))


def _followed(path: Path) -> Iterator[Path]:
    """Yield a path, and all that it leads to as a link."""
    yield path
    while path.is_symlink():
        path = Path(os.path.normpath(path.parent / path.readlink()))
        yield path
