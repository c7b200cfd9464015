"""Stand-ins without Debian as their base: BusyBox, and servers that are a single Go program each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hack.images import debian, gotool
from hack.images.layers import Entry, File, Folder, Layer, Link
from hack.images.oci import Image, ImageConfig
from hack.images.standin import StandIn, label

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_ACCOUNTS: Mapping[str, Entry] = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "root": Folder(0o700),
    "tmp": Folder(0o1777),
}


def list_tools() -> tuple[StandIn, ...]:
    """Return the stand-ins that consist of one or two programs. Nothing is built yet."""
    return (_BUSYBOX, _AGNHOST, _HTTPBIN, _FORTIO)


def _make_busybox_layer() -> tuple[Layer, str]:
    """Return a layer with Debian's static BusyBox, and its description."""
    root = debian.install("busybox-static", script="busybox --list >/usr/share/busybox-applets")
    folder = root.folders[-1]
    files: dict[str, Entry] = dict(_ACCOUNTS)
    files["bin/busybox"] = _read_program(folder / "usr/bin/busybox")
    for applet in (folder / "usr/share/busybox-applets").read_text().split():
        if applet != "busybox":
            files[f"bin/{applet}"] = Link("busybox")
    return Layer.from_files(files), f"Debian 12 package busybox-static {root.versions['busybox-static']}"


def _read_program(path: Path) -> File:
    return File(path.read_bytes(), 0o755)


def _assemble_busybox(names: Sequence[str]) -> Image:
    layer, origin = _make_busybox_layer()
    image = Image(names, [layer], ImageConfig(cmd=["sh"], env={"PATH": _PATH}))
    return label(image, f"made from {origin}", "no package manager; wget -T crashes")


def _assemble_go(names: Sequence[str], tool: str, path: str, config: ImageConfig, *, with_shell: bool = False) -> Image:
    """Put the Go program of ``go/<tool>`` at ``path``, with BusyBox below it if ``with_shell``."""
    program = Layer.from_files({path: _read_program(gotool.build(tool)), **({} if with_shell else _ACCOUNTS)})
    contents = f"built from Go module {gotool.find_version(tool)}"
    if not with_shell:
        return label(Image(names, [program], config), contents)
    below, origin = _make_busybox_layer()
    return label(Image(names, [below, program], config), contents, origin)


_BUSYBOX_NAMES = ("busybox", "alpine")
_BUSYBOX = StandIn(_BUSYBOX_NAMES, "Debian 12: busybox-static", lambda: _assemble_busybox(_BUSYBOX_NAMES))

_AGNHOST_NAMES = ("registry.k8s.io/e2e-test-images/agnhost:2.53",)
_AGNHOST = StandIn(
    _AGNHOST_NAMES,
    "Go: k8s.io/kubernetes/test/images/agnhost; Debian 12: busybox-static",
    lambda: _assemble_go(
        _AGNHOST_NAMES,
        "agnhost",
        "agnhost",
        ImageConfig(
            entrypoint=["/agnhost"],
            cmd=["pause"],
            env={"PATH": _PATH},
            ports=["80/tcp", "5000/tcp", "8080/tcp", "8081/tcp", "9376/tcp"],
        ),
        with_shell=True,
    ),
)

_HTTPBIN_NAMES = ("mccutchen/go-httpbin:v2.15.0",)
_HTTPBIN = StandIn(
    _HTTPBIN_NAMES,
    "Go: github.com/mccutchen/go-httpbin",
    lambda: _assemble_go(
        _HTTPBIN_NAMES,
        "httpbin",
        "bin/go-httpbin",
        ImageConfig(cmd=["/bin/go-httpbin"], env={"PATH": _PATH}, ports=["8080/tcp"]),
    ),
)

_FORTIO_NAMES = ("fortio/fortio:latest_release",)
_FORTIO = StandIn(
    _FORTIO_NAMES,
    "Go: fortio.org/fortio",
    lambda: _assemble_go(
        _FORTIO_NAMES,
        "fortio",
        "usr/bin/fortio",
        ImageConfig(
            entrypoint=["/usr/bin/fortio"],
            cmd=["server", "-config-dir", "/etc/fortio"],
            env={"PATH": _PATH},
            working_dir="/var/lib/fortio",
            ports=["8078/tcp", "8079/tcp", "8080/tcp", "8081/tcp"],
            volumes=["/etc/fortio", "/var/lib/fortio"],
        ),
    ),
)
