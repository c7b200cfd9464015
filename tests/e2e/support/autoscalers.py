"""Karpenter with its provider for KWOK: it starts nodes that nothing but KWOK runs."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.cluster import Cluster, binaries
from hack.kubectl import Json, Kubectl, eventually
from hack.kwok import FAKE, kubelets
from tests.e2e.support.installation import KARPENTER

VERSION = "karpenter.sh/v1"
NODE_CLASS: Json = {
    "apiVersion": "karpenter.kwok.sh/v1alpha1",
    "kind": "KWOKNodeClass",
    "metadata": {"name": "default"},
    "spec": {},
}


def node_pool(name: str, labels: dict[str, str], **limits: str) -> Json:
    """Return a NodePool whose nodes KWOK runs, and get these labels."""
    group, _, _ = str(NODE_CLASS["apiVersion"]).partition("/")
    node_class = {"group": group, "kind": NODE_CLASS["kind"], "name": NODE_CLASS["metadata"]["name"]}
    requirements = [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]
    template = {
        "metadata": {"labels": {FAKE: "true", **labels}},
        "spec": {"nodeClassRef": node_class, "requirements": requirements, "expireAfter": "Never"},
    }
    return {
        "apiVersion": VERSION,
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {"template": template, "limits": limits, "disruption": {"consolidateAfter": "Never"}},
    }


@contextmanager
def karpenter(cluster: Cluster, admin: Kubectl, logs: Path) -> Iterator[None]:
    """Run Karpenter, as the user whom the values name, and KWOK."""
    provider = binaries.folder_of_dependency(binaries.KARPENTER, "sigs.k8s.io/karpenter") / "kwok"
    # The second folder only has a link to what is in the first one, and Go downloads no links.
    for file in sorted(file for folder in ("apis", "charts") for file in (provider / folder / "crds").glob("*.yaml")):
        admin.run("apply", "--server-side", "-f", str(file))
    admin.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    eventually(lambda: admin.apply(NODE_CLASS), what="the new kinds, as kubectl sees them")
    admin.run("create", "clusterrolebinding", KARPENTER, "--clusterrole=cluster-admin", f"--user={KARPENTER}")
    command = [
        str(binaries.path("karpenter")),
        "--disable-leader-election",
        "--metrics-port=0",
        "--health-probe-port=0",
    ]
    variables = os.environ | {"KUBECONFIG": str(cluster.user_kubeconfig(KARPENTER)), "SYSTEM_NAMESPACE": "kube-system"}
    log = logs / "karpenter.log"
    with (
        kubelets(cluster, logs / "kwok.log"),
        log.open("w", encoding="utf-8") as out,
        subprocess.Popen(command, env=variables, stdout=out, stderr=out) as running,
    ):
        try:
            yield
        finally:
            running.terminate()
            admin.delete("clusterrolebinding", KARPENTER)
