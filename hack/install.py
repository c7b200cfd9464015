"""Install the operator on a cluster: build its image, load it, and let Helm do the rest.

``python -m hack.install [--name CLUSTER]`` is what ``make install`` runs.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hack.cluster import Cluster, ClusterError, binaries, get
from hack.images.errors import ImageBuildError
from hack.images.own import agent_image, operator_image, sidecar_image
from hack.kubectl import Kubectl, KubectlError, TimedOutError, eventually

CHART = Path(__file__).parent.parent / "charts" / "sovereign-operator"
RELEASE = "sovereign-operator"
NAMESPACE = "sovereign-system"
TRUST_DOMAIN = "hospital.example.org"
IMAGES = {"image": operator_image, "agent.image": agent_image, "sidecar.image": sidecar_image}
"""How each image is built, by where the chart's values name it."""
PROCESSES = (
    "deployment/sovereign-controller",
    "deployment/sovereign-signer",
    "deployment/sovereign-injector",
    "daemonset/sovereign-agent",
)
CONTROLLER_PODS = "app.kubernetes.io/component=controller"
"""The label that selects the pods of all replicas."""


class HelmError(Exception):
    """Helm failed. The text is what it wrote to standard error."""


def find(name: str) -> Cluster:
    """Return a cluster that is up. Raises ClusterError."""
    cluster = get(name)
    if cluster is None:
        raise ClusterError(f"there is no cluster {name}: bring it up with `make up NAME={name}`")
    return cluster


def helm(cluster: Cluster, *arguments: str) -> str:
    """Run helm on a cluster and return what it printed. Raises HelmError."""
    command = [str(binaries.path("helm")), "--kubeconfig", str(cluster.kubeconfig), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise HelmError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def install(cluster: Cluster, *options: str) -> str:
    """Install or upgrade the operator with the presets, and wait until it can be used. Options are Helm's.

    Raises ImageBuildError, ClusterError, HelmError, or KubectlError or TimedOutError if it does not come to run.
    """
    command = ["upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace"]
    for key, build in IMAGES.items():
        name, archive = build()
        cluster.load_image(archive)
        repository, _, tag = name.rpartition(":")
        command += ["--set-string", f"{key}.repository={repository},{key}.tag={tag}"]
    command += ["--set", f"identity.enabled=true,identity.trustDomain={TRUST_DOMAIN},encryption.enabled=true", *options]
    if not _has_crds(cluster):
        # Helm cannot install objects together with their CRDs.
        helm(cluster, *command, "--wait", "--timeout", "3m")
    # No --wait: Helm would wait for the presets, which are not Ready before a Datacentre satisfies them.
    said = helm(cluster, *command, "--set", "presets.enabled=true")
    kubectl = Kubectl(binaries.path("kubectl"), cluster.kubeconfig)
    for process in PROCESSES:
        kubectl.run("-n", NAMESPACE, "rollout", "status", process, "--timeout=3m")
    wait_for_kinds(kubectl)
    return said


def wait_for_kinds(kubectl: Kubectl) -> None:
    """Wait until the API server takes SovereignWorkloads. Raises TimedOutError.

    A mutating admission policy, as the one that stamps their requester, needs the kind's schema, which the
    server reads some seconds after the CRD is Established. Until then it answers 503 to each write.
    """
    probe = {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereignWorkload",
        "metadata": {"name": "probe", "namespace": NAMESPACE},
        "spec": {"workloadRef": {"kind": "Deployment", "name": "sovereign-controller"}},
    }
    eventually(
        lambda: kubectl.apply(probe, options=["--dry-run=server"]),
        what="a SovereignWorkload that the API server takes",
    )


def _has_crds(cluster: Cluster) -> bool:
    kubectl = Kubectl(binaries.path("kubectl"), cluster.kubeconfig)
    return kubectl.attempt("get", "crd", "sovereigntypolicies.sovereignty.dev").returncode == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Install on a cluster that is up."""
    parser = argparse.ArgumentParser(prog="python -m hack.install", description=__doc__)
    parser.add_argument("--name", default="sovereign", help="the cluster's name")
    parser.add_argument("helm_options", nargs="*", metavar="HELM_OPTION", help="after --, for example --set k=v")
    given = parser.parse_args(arguments)
    try:
        print(install(find(given.name), *given.helm_options))
    except (ClusterError, HelmError, ImageBuildError, KubectlError, TimedOutError) as error:
        print(f"The operator could not be installed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
