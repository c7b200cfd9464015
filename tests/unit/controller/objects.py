"""Objects of a cluster with an encrypting policy, as an API server sends them."""

from typing import Any

from sovereign_operator.core import names
from sovereign_operator.core.sidecar import contract as sidecar
from tests.unit.states import Json

POLICY = {
    "apiVersion": "sovereignty.dev/v1alpha1",
    "kind": "SovereigntyPolicy",
    "metadata": {"name": "hds", "uid": "policy-uid", "generation": 1},
    "spec": {"encryptionInTransit": {"mode": "Permissive"}},
}


def namespace(name: str) -> Json:
    return {"metadata": {"name": name, "labels": {names.ENFORCE_LABEL: "hds"}}}


def pod(where: str) -> Json:
    """Return a pod with a sidecar."""
    labels = {names.PLACED_LABEL: "hds"}
    told = {"configMap": {"name": sidecar.transit_config_map("hds")}}
    return {
        "metadata": {"namespace": where, "name": "web", "uid": where, "resourceVersion": "1", "labels": labels},
        "spec": {
            "initContainers": [{"name": sidecar.CONTAINER}],
            "containers": [],
            "volumes": [{"name": sidecar.TRANSIT_VOLUME, "projected": {"sources": [told]}}],
            "nodeName": "brest-1",
        },
        "status": {"podIPs": [{"ip": "10.0.0.1"}]},
    }


STRICT = {"spec": {"encryptionInTransit": {"mode": "Strict", "clusterNetworks": ["10.0.0.0/8"]}}}
DNS = {
    "metadata": {"namespace": "kube-system", "name": "kube-dns"},
    "spec": {"clusterIPs": ["10.96.0.10"], "ports": [{"port": 53, "protocol": "TCP"}]},
}


def service(spec: Json, key: tuple[str, str] = ("tenant-b", "ext"), **status: Any) -> Json:
    return {"metadata": {"namespace": key[0], "name": key[1]}, "spec": spec, "status": status}
