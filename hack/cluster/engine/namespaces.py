"""Linux namespaces: create them, keep them, start programs in them. Run as a program, never imported.

A cluster is a tree of namespaces. The outer one has a PID namespace, whose first process is the cluster's
*holder*, and a network namespace with the control plane and the bridge. Each node has PID, network, mount and
host name namespaces inside it, with a holder of its own. This makes ``down`` reliable: when a holder is killed, the
kernel kills all processes in its PID namespace (pods too, at any depth), and with the last process every mount and
network interface in there is gone. That depends on no working program and no complete list.

``python -I -S namespaces.py`` reads one request as JSON from its input and prints the id of the process it started, as
the caller sees it. There are two kinds of request::

    {"do": "hold", "inside": 12, "namespaces": ["pid", "net"], "mounts": [], "sysctls": {}, "hostname": ""}
    {"do": "run", "inside": 12, "namespaces": ["mnt", "pid"], "log": "/path", "argv": ["etcd", "--help"]}

``inside`` is the process whose namespaces to enter first, 0 for none. This is a program of its own because a process
with threads cannot change its namespaces. util-linux' unshare and nsenter would stay around as parents that can be
killed, and do not print the id of the process they started.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

# linux/sched.h
FLAGS = {"mnt": 0x00020000, "uts": 0x04000000, "pid": 0x20000000, "net": 0x40000000}
# linux/mount.h
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC = 2, 4, 8, 4096, 16384
MS_PRIVATE, MS_SHARED = 1 << 18, 1 << 20

MOUNT_FLAGS = {
    "tmpfs": MS_NOSUID | MS_NODEV,
    "proc": MS_NOSUID | MS_NODEV | MS_NOEXEC,
    "sysfs": MS_NOSUID | MS_NODEV | MS_NOEXEC,
}

_libc = ctypes.CDLL(None, use_errno=True)


def hold(request: dict[str, Any]) -> None:
    """Create namespaces and keep them for as long as the new process lives."""
    if request["inside"]:
        _enter(request["inside"], ["pid"])
        if child := os.fork():  # only children of this process are in the PID namespace that it entered
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    flags = 0
    for name in request["namespaces"]:
        flags |= FLAGS[name]
    _check(_libc.unshare(flags), f"make namespaces {request['namespaces']}")
    if os.fork():
        os._exit(0)
    # From here on this is process 1 of the new PID namespace. /proc is still the caller's, and so is the id.
    pid = Path("/proc/self").readlink()
    os.setsid()
    if request["mounts"]:
        _mount_all(request["mounts"])
    if request["hostname"]:
        socket.sethostname(request["hostname"])
    for name, value in request["sysctls"].items():
        Path("/proc/sys", name.replace(".", "/")).write_text(value)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    print(pid, flush=True)
    _redirect(os.open(os.devnull, os.O_RDWR))
    _reap_forever()


def run(request: dict[str, Any]) -> None:
    """Start a program in the namespaces of another process, in a session of its own, with its output in a file."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    _enter(request["inside"], request["namespaces"])
    failed, failing = os.pipe()  # closed by a successful exec
    child = os.fork()
    if child:
        os.close(failing)
        if reason := os.read(failed, 4096):
            sys.exit(reason.decode())
        print(child, flush=True)
        return
    try:
        os.setsid()
        os.chdir("/")
        _redirect(log)
        os.execvp(request["argv"][0], request["argv"])  # noqa: S606  # a shell has no place here
    except OSError as error:
        os.write(failing, f"{request['argv'][0]}: {error}".encode())
    os._exit(1)


def _reap_forever() -> NoReturn:
    """Reap orphans, as process 1 must, such as shims whose containerd has ended."""
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        signal.sigwait({signal.SIGCHLD})


def _redirect(output: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, target)


def _enter(pid: int, names: list[str]) -> None:
    # Opened before any is entered: these paths may not exist in the mount namespace.
    opened = [(name, os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)) for name in names]
    for name, descriptor in opened:
        _check(_libc.setns(descriptor, FLAGS[name]), f"enter the {name} namespace of process {pid}")


def _mount_all(mounts: list[dict[str, str]]) -> None:
    """Make a node's mounts, in order, visible in its mount namespace only.

    Each has a ``kind`` (bind, tmpfs, proc, sysfs), a ``target`` and, for bind, a ``source`` as the machine
    sees it. Targets below a tmpfs of the same list are created.
    """
    _mount("", "/", flags=MS_REC | MS_PRIVATE)
    # Sources are opened before the first mount, because a mount may hide a later source's path.
    sources = {
        mount["source"]: os.open(mount["source"], os.O_PATH | os.O_CLOEXEC)
        for mount in mounts
        if mount["kind"] == "bind"
    }
    own = tuple(f"{mount['target']}/" for mount in mounts if mount["kind"] == "tmpfs")
    for mount in mounts:
        target = Path(mount["target"])
        if str(target).startswith(own):
            _make_mount_point(target, mount.get("source", ""))
        if mount["kind"] == "bind":
            _mount(f"/proc/self/fd/{sources[mount['source']]}", str(target), flags=MS_BIND | MS_REC)
        else:
            _mount(mount["kind"], str(target), mount["kind"], MOUNT_FLAGS[mount["kind"]])
    # Containers may ask for shared mounts; these are shared within the node only.
    _mount("", "/", flags=MS_REC | MS_SHARED)


def _make_mount_point(target: Path, source: str) -> None:
    if source and Path(source).is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    else:
        target.mkdir(parents=True, exist_ok=True)


def _mount(source: str, target: str, kind: str = "", flags: int = 0) -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None)
    _check(_libc.mount(*arguments), f"mount {source or target} on {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


if __name__ == "__main__":
    _request = json.load(sys.stdin)
    {"hold": hold, "run": run}[_request["do"]](_request)
