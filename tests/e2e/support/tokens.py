"""Requests that a thief sends with the token of a process."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json


@dataclass(frozen=True)
class Request:
    """A request to the API server. RBAC checks it before anything checks that the object exists."""

    method: str
    path: str
    body: Json | None = None


OURS_API = "/apis/sovereignty.dev/v1alpha1"
SYSTEM, OWN, USER = ("/api/v1/namespaces/" + name for name in ("kube-system", NAMESPACE, "default"))
CONFIG_MAPS = f"{OWN}/configmaps"


def asking(cluster: Cluster, token: str) -> Callable[..., int]:
    """Return a function that sends a request with a token as a dry run, and returns the HTTP status."""
    config = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(config["certificate-authority-data"]).decode())

    def ask(request: Request, more: dict[str, str] | None = None) -> int:
        content = {"PATCH": "application/merge-patch+json", "APPLY": "application/apply-patch+yaml"}.get(
            request.method, "application/json"
        )
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content, **(more or {})}
        data = None if request.body is None else json.dumps(request.body).encode()
        query = "?dryRun=All" if request.method != "GET" else ""
        query += "&force=true&fieldManager=thief" if request.method == "APPLY" else ""
        method = "PATCH" if request.method == "APPLY" else request.method
        url = config["server"] + request.path + query
        asked = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    return ask
