"""Pods that need no public image: BusyBox of this machine serves the name of the pod."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hack.images.oci import File, Folder, Image, ImageConfig, Layer, Link, write_images
from hack.kubectl import Kubectl

WEB = "mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www"


def write_busybox_archive(path: Path) -> Path:
    """Write an archive of an image whose containers serve their host name on port 80."""
    layer = Layer.from_files(
        {
            "bin/busybox": File(Path("/bin/busybox").read_bytes(), 0o755),
            **{f"bin/{name}": Link("busybox") for name in ("hostname", "httpd", "mkdir", "sh", "wget")},
            "tmp": Folder(0o1777),
        }
    )
    config = ImageConfig(cmd=("/bin/sh", "-c", WEB), env={"PATH": "/bin"})
    write_images(path, [Image(["nginx", "localhost/busybox:1"], [layer], config)])
    return path


def make_pod(name: str, *, node: str = "", **container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "nginx"} | container],
        },
    }


def start_pod(kubectl: Kubectl, pod: Mapping[str, Any]) -> Any:
    """Apply a pod, and return it once it is ready."""
    kubectl.apply(dict(pod))
    name = pod["metadata"]["name"]
    kubectl.run("wait", "--for=condition=Ready", "--timeout=60s", f"pod/{name}")
    return kubectl.get("pod", name)
