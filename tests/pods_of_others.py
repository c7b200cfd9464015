"""Pods as operators create them, and as Kubernetes' documentation shows them (``tests/data/pods``)."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent / "data" / "pods"

REFUSED: Final[Mapping[str, str]] = {
    "documentation/admin/konnectivity/konnectivity-server.yaml": "spec.hostNetwork is true",
    "documentation/pods/pod-nginx-specific-node.yaml": "names node foo-node",
    "documentation/pods/security/security-context-4.yaml": "container sec-ctx-4 adds NET_ADMIN, with which it could",
    "documentation/pods/share-process-namespace.yaml": "spec.shareProcessNamespace is true",
    "documentation/windows/daemonset.yaml": "spec.nodeSelector has kubernetes.io/os=windows",
    "documentation/windows/run-as-username-pod.yaml": "spec.nodeSelector has kubernetes.io/os=windows",
    "eck/elasticsearch-that-sets-sysctls": "container sysctl is privileged",
    "eck/filebeat": "spec.hostNetwork is true",
    "ingress-nginx/controller-on-the-network-of-the-node": "spec.hostNetwork is true",
    "ingress-nginx/controller-with-shared-processes": "spec.shareProcessNamespace is true",
    "velero/application-that-is-frozen": "container fsfreeze is privileged",
    "velero/node-agent-for-windows": "spec.os.name is windows",
    "velero/node-agent-with-privileges": "container node-agent is privileged",
}
"""The pods that are refused where a policy encrypts, and what the message says; all others get a sidecar."""


@cache
def list_pods() -> Mapping[str, Mapping[str, Any]]:
    """Return the spec of each pod by ``FILE/NAME``. Raises FileNotFoundError if there are none."""
    found = {
        f"{path.stem}/{name}": spec
        for path in sorted(FOLDER.glob("*.yaml"))
        for name, spec in yaml.safe_load(path.read_text(encoding="utf-8")).items()
    }
    if not found:
        raise FileNotFoundError(f"no pods in {FOLDER}")
    return found


def as_pod(spec: Mapping[str, Any], name: str = "app") -> dict[str, Any]:
    """Return a pod with this spec."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": dict(spec)}


def without_targets(value: Any) -> Any:
    """Return a value without the ports and schemes of probes, which lead to the sidecar instead."""
    if isinstance(value, dict):
        return {key: without_targets(each) for key, each in value.items() if key not in {"port", "scheme"}}
    return [without_targets(each) for each in value] if isinstance(value, list) else value
