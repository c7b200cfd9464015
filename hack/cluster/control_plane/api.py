"""A minimal client of the API server, for bringing up a cluster."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
FIELD_MANAGER = "hack.cluster"


class Api:
    """An API server, accessed with a client certificate.

    Proxies and certificate bundles that the environment names are ignored: the server is on this machine.
    """

    def __init__(self, server: str, authority: Path, pair: tuple[Path, Path]) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(*map(str, pair))
        self._server = server
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def is_ready(self) -> bool:
        """Return whether the server reports that it is ready, which includes etcd and its start-up."""
        try:
            return self._ask("GET", "/readyz") == b"ok"
        except OSError:
            return False

    def get(self, path: str) -> dict[str, Any] | None:
        """Return an object or list, None if it is not there. Raises OSError."""
        try:
            return dict(json.loads(self._ask("GET", path)))
        except urllib.error.HTTPError as error:
            if error.code == 404:  # noqa: PLR2004  # HTTP: not found
                return None
            raise

    def list_nodes(self) -> list[dict[str, Any]]:
        """Return all Node objects. Raises OSError."""
        return list((self.get("/api/v1/nodes") or {}).get("items", []))

    def merge(self, path: str, change: Mapping[str, Any]) -> None:
        """Merge a change into an object. Raises OSError."""
        self._ask("PATCH", path, json.dumps(change).encode(), {"Content-Type": MERGE_PATCH})

    def apply(self, path: str, wanted: Mapping[str, Any]) -> str:
        """Apply the object at this path; return the server's answer if it refuses, else "". Raises OSError."""
        content = json.dumps(wanted).encode()
        try:
            self._ask(
                "PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", content, {"Content-Type": APPLY_PATCH}
            )
        except urllib.error.HTTPError as error:
            return error.read().decode(errors="replace")
        return ""

    def _ask(
        self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        request = urllib.request.Request(  # noqa: S310  # the scheme is ours
            self._server + path, data=content, headers=dict(headers or {}), method=method
        )
        with self._opener.open(request, timeout=10) as answer:
            return bytes(answer.read())


def is_node_usable(node: Mapping[str, Any]) -> bool:
    """Return whether a Node is Ready and no longer has the not-ready taint."""
    conditions = {entry["type"]: entry["status"] for entry in node.get("status", {}).get("conditions", [])}
    taints = {taint["key"] for taint in node.get("spec", {}).get("taints", [])}
    return conditions.get("Ready") == "True" and "node.kubernetes.io/not-ready" not in taints
