"""Install the operator on a cluster: build its images, load them, and install the chart with Helm.

``python -m hack.install [--name CLUSTER]`` is what ``make install`` runs.
"""

import argparse
import copy
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from hack.cluster import Cluster, ClusterError, binaries, get
from hack.cluster.spec import NEWEST_KUBERNETES
from hack.images.errors import ImageBuildError
from hack.images.own import agent_image, operator_image, sidecar_image
from hack.kubectl import Json, Kubectl, TimedOutError, eventually

CHART = Path(__file__).parent.parent / "charts" / "sovereign-operator"
RELEASE = "sovereign-operator"
NAMESPACE = "sovereign-system"
KEYS = "sovereign-keys"
"""Where the signer keeps its keys."""
TRUST_DOMAIN = "hospital.example.org"
VALUES: Json = {
    "identity": {"enabled": True, "trustDomain": TRUST_DOMAIN},
    "encryption": {"enabled": True},
    "presets": {"enabled": True},
    "reports": {"enabled": True},
}
"""Helm values besides the images: they enable certificates, encryption, presets and reports."""
CONTROLLER_PODS = "app.kubernetes.io/component=controller"
"""The label that selects the pods of all replicas."""


class HelmError(Exception):
    """Helm failed. The text is what it wrote to standard error."""


def find(name: str) -> Cluster:
    """Return the cluster of that name. Raises ClusterError if there is none."""
    cluster = get(name)
    if cluster is None:
        raise ClusterError(f"there is no cluster {name}: bring it up with `make up NAME={name}`")
    return cluster


def certificates_by(cluster: Cluster) -> str:
    """Return how new sidecars get their certificates there: as new as the cluster allows."""
    return "Request" if cluster.kubernetes == NEWEST_KUBERNETES else "Token"


def helm(cluster: Cluster, *arguments: str, stdin: str | None = None) -> str:
    """Run helm on a cluster and return what it printed. Raises HelmError."""
    command = [str(binaries.path("helm")), "--kubeconfig", str(cluster.kubeconfig), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise HelmError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def install(cluster: Cluster, *options: str) -> str:
    """Install or upgrade the operator with the presets, and wait until it can be used.

    Options are Helm's, and override what is set here. Raises ImageBuildError, ClusterError, HelmError, or TimedOutError
    if the API server does not accept our kinds.
    """

    def load(build: Callable[[], tuple[str, Path]]) -> Json:
        name, archive = build()
        cluster.load_image(archive)
        repository, _, tag = name.rpartition(":")
        return {"image": {"repository": repository, "tag": tag}}

    values = copy.deepcopy(VALUES) | load(operator_image) | {"agent": load(agent_image), "sidecar": load(sidecar_image)}
    values["identity"] |= {"certificates": certificates_by(cluster)}
    command = ["upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace"]
    waiting = ["--wait", "--wait-for-jobs", "--timeout", "3m"]
    said = helm(cluster, *command, *waiting, "--values", "-", *options, stdin=yaml.safe_dump(values))
    wait_for_kinds(Kubectl(cluster.kubeconfig))
    return said


def wait_for_kinds(kubectl: Kubectl) -> None:
    """Wait until the API server accepts SovereignWorkloads and namespaces. Raises TimedOutError.

    A mutating admission policy, such as the one that stamps their requester, needs the kind's schema, which the
    server reads some seconds after the CRD is Established. Until then it answers each write with 503. The guard of
    namespaces reads SovereigntyPolicies, which the server discovers within half a minute.
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
    eventually(
        lambda: kubectl.run("create", "namespace", "probe", "--dry-run=server"),
        what="a namespace that the API server takes",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Install on a cluster that is up."""
    parser = argparse.ArgumentParser(prog="python -m hack.install", description=__doc__)
    parser.add_argument("--name", default="sovereign", help="the cluster's name")
    parser.add_argument("helm_options", nargs="*", metavar="HELM_OPTION", help="after --, for example --set k=v")
    given = parser.parse_args(arguments)
    try:
        print(install(find(given.name), *given.helm_options))
    except (ClusterError, HelmError, ImageBuildError, TimedOutError) as error:
        print(f"The operator could not be installed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
