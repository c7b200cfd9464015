"""Pods that mount a certificate and a trust bundle, in a namespace in scope, for the duration of a benchmark."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names

IMAGE = "docker.io/library/python:3"
POLICY = "secnumcloud"


@contextmanager
def space(admin: Kubectl, name: str, policy: str | None = POLICY) -> Iterator[str]:
    """Create a namespace that enforces a policy, or none; delete it, with all that is in it, at the end."""
    labels = {names.ENFORCE_LABEL: policy} if policy else {}
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    try:
        eventually(lambda: admin.get("serviceaccount", "default", name), what=f"service account of {name}")
        yield name
    finally:
        admin.delete("namespace", name)


def peer(name: str, node: str, command: Sequence[str]) -> Json:
    """Return a pod on a node, with its certificate and trust bundle at /identity and ConfigMap peer at /peer."""
    certificate = {"signerName": names.SIGNER, "keyType": "ECDSAP256", "credentialBundlePath": "tls.pem"}
    selector = {"matchLabels": {names.TRUST_BUNDLE_LABEL: POLICY}}
    trusted = {"signerName": names.SIGNER, "labelSelector": selector, "path": "ca.pem"}
    sources = [{"podCertificate": certificate}, {"clusterTrustBundle": trusted}]
    container = {
        "name": "peer",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "volumeMounts": [{"name": "identity", "mountPath": "/identity"}, {"name": "peer", "mountPath": "/peer"}],
    }
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [
            {"name": "identity", "projected": {"sources": sources}},
            {"name": "peer", "configMap": {"name": "peer", "optional": True}},
        ],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def start(admin: Kubectl, namespace: str, pods: Sequence[Json]) -> dict[str, Json]:
    """Create pods, and return them by name once all are ready."""
    admin.apply(*pods, namespace=namespace)
    named = [f"pod/{pod['metadata']['name']}" for pod in pods]
    admin.run("-n", namespace, "wait", *named, "--for=condition=Ready", "--timeout=600s")
    return {pod["metadata"]["name"]: pod for pod in admin.list("pods", namespace)}
