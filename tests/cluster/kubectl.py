import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster import binaries
from hack.images.oci import File, Folder, Image, ImageConfig, Layer, Link, write_images

PATIENCE = 60.0
WEB = "mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www"


def write_busybox_archive(path: Path) -> Path:
    """An image whose containers serve their host name on port 80."""
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


@dataclass(frozen=True)
class Kubectl:
    kubeconfig: Path

    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [binaries.path("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *arguments: str, stdin: str = "") -> str:
        done = self(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, *objects: Mapping[str, Any]) -> None:
        self.run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def get(self, kind: str, name: str) -> Any:
        return json.loads(self.run("get", kind, name, "-o", "json"))

    def start_pod(self, pod: Mapping[str, Any]) -> Any:
        """Apply a pod and return it as it is when it is ready."""
        self.apply(pod)
        name = pod["metadata"]["name"]
        self.run("wait", "--for=condition=Ready", f"--timeout={PATIENCE:.0f}s", f"pod/{name}")
        return self.get("pod", name)


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


def wait_for(probe: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.05)
