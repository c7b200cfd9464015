"""Dry-run requests to an API server: they go through admission, and nothing is stored."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from hack.bench.load import Credentials, Load, Seen, put
from hack.kubectl import Json

STORED: Final = "bench"
"""The name of the pod that is stored, to be bound by dry runs."""


def pod(**spec: Any) -> Json:
    """Return a small pod that no scheduler handles."""
    # A pod with a sidecar must not have more rights.
    rights = {"runAsUser": 1000, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    containers = [{"name": "c", "image": "none", "securityContext": rights}]
    spec = {"schedulerName": "nobody", "containers": containers} | spec
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "bench-"}, "spec": spec}


def binding(node: str) -> Json:
    """Return a Binding of the stored pod to a node."""
    target = {"kind": "Node", "name": node}
    return {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": STORED}, "target": target}


@dataclass(frozen=True)
class Requests:
    """Requests of one kind: which object is posted where. ``path`` follows the namespace."""

    path: str
    body: Json


CREATE: Final = Requests("pods", pod())
TEXT: Final = json.dumps(CREATE.body)


def bind(node: str) -> Requests:
    """Return requests that bind the stored pod to a node."""
    return Requests(f"pods/{STORED}/binding", binding(node))


@dataclass(frozen=True)
class Server:
    """An API server, the credentials for it, and a folder for files."""

    url: str
    credentials: Credentials
    folder: Path

    @classmethod
    def of(cls, kubeconfig: Path, folder: Path) -> "Server":
        """Return the server of a kubeconfig with one context, whose credentials are certificates."""
        content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        ((cluster,), (user,)) = content["clusters"], content["users"]
        encoded = {
            "client.crt": user["user"]["client-certificate-data"],
            "client.key": user["user"]["client-key-data"],
            "authority.crt": cluster["cluster"]["certificate-authority-data"],
        }
        for name, data in encoded.items():
            (folder / name).write_bytes(base64.b64decode(data))
        return cls(cluster["cluster"]["server"], Credentials(*(folder / name for name in encoded)), folder)

    def put(self, requests: Requests, namespace: str, clients: int, seconds: float, pids: Sequence[int]) -> Seen:
        """Have clients make requests without pause, and watch processes. Raises LoadError if one is refused."""
        load = Load(
            f"{self.url}/api/v1/namespaces/{namespace}/{requests.path}?dryRun=All",
            rate=0,
            seconds=seconds,
            workers=clients,
            body=json.dumps(requests.body),
            credentials=self.credentials,
        )
        return put(load, "", pids, self.folder, weigh=False)
