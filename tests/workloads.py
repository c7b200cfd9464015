"""Workloads of other projects (``tests/data/workloads``): what they need, and how to check that they work."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hack.images import public
from hack.images.names import qualify

FOLDER = Path(os.environ.get("SOVEREIGN_WORKLOADS") or Path(__file__).parent / "data" / "workloads")
"""The folder of the manifests."""

LOCAL_VOLUMES = frozenset({"configMap", "downwardAPI", "emptyDir", "hostPath", "projected", "secret"})
"""Kinds of volumes that need no storage system."""


@dataclass(frozen=True)
class Manifest:
    """One file: its path below ``FOLDER`` and its documents.

    ``images`` are the fully qualified names of all containers' images. ``obstacles`` lists what the manifest needs and
    a cluster on this machine cannot provide.
    """

    path: str
    documents: tuple[dict[str, Any], ...]
    images: tuple[str, ...]
    obstacles: tuple[str, ...]

    @property
    def runs(self) -> bool:
        """Whether all its containers can really run; if not, its pods can only be scheduled."""
        return not self.obstacles

    @property
    def has_generated_names(self) -> bool:
        """Whether it can only be created, because an object with ``generateName`` cannot be applied."""
        return any("generateName" in document["metadata"] for document in self.documents)


@dataclass(frozen=True)
class Get:
    """An HTTP GET to a pod's port, answered with ``status`` and with ``text`` somewhere in the content."""

    port: int
    path: str
    status: int = 200
    text: str = ""


@dataclass(frozen=True)
class Ping:
    """A Redis PING to a pod's port, answered with PONG."""

    port: int = 6379


@dataclass(frozen=True)
class Run:
    """A command in a pod's first container that ends with status 0 and has ``text`` in its output."""

    command: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Complete:
    """Sends no request: the Job (or one Job of the CronJob) completes within ``seconds`` on three idle nodes."""

    seconds: int


@dataclass(frozen=True)
class Question:
    """How to check that a workload works.

    ``workload`` is ``Kind/name``, or ``Kind/`` and the start of a generated name. ``needs`` names objects that the file
    does not contain: without them the workload answers, but lacks a peer.
    """

    workload: str
    ask: Get | Ping | Run | Complete
    needs: tuple[str, ...] = ()


_ARGO = "argocd-example-apps"
_ISTIO = "istio-samples/samples"
_KUEUE = "kueue-examples/site/static/examples/jobs"
_GUESTBOOK = "kubernetes-examples/web"

_WELCOME = Get(80, "/", text="Welcome to nginx")
_REPLICA_NEEDS = ("Service/redis-master",)

# sample-scalable-job.yaml runs as well, but its hundred pods of a minute each take half an hour.
QUESTIONS: dict[str, tuple[Question, ...]] = {
    f"{_ARGO}/pre-post-sync/pre-sync-job.yaml": (Question("Job/before", Complete(60)),),
    f"{_ARGO}/pre-post-sync/post-sync-job.yaml": (Question("Job/after", Complete(60)),),
    f"{_ARGO}/sync-waves/manifests.yaml": (
        Question("Job/upgrade-sql-schema", Complete(60)),
        Question("ReplicaSet/backend", _WELCOME),
        Question("Job/maint-page-up", Complete(60)),
        Question("ReplicaSet/frontend", _WELCOME),
        Question("Job/maint-page-down", Complete(60)),
    ),
    f"{_ARGO}/sock-shop/base/session-db-dep.yaml": (Question("Deployment/session-db", Ping()),),
    f"{_ISTIO}/httpbin/httpbin.yaml": (Question("Deployment/httpbin", Get(8080, "/status/202", status=202)),),
    f"{_ISTIO}/httpbin/httpbin-nodeport.yaml": (Question("Deployment/httpbin", Get(8080, "/get?a=b", text='"a"')),),
    f"{_ISTIO}/httpbin/sample-client/fortio-deploy.yaml": (
        Question("Deployment/fortio-deploy", Get(8080, "/fortio/", text="Fortio")),
    ),
    f"{_ISTIO}/sleep/sleep.yaml": (Question("Deployment/sleep", Run(("curl", "--version"), "libcurl")),),
    f"{_GUESTBOOK}/guestbook-go/redis-master-controller.yaml": (Question("Deployment/redis-master", Ping()),),
    f"{_GUESTBOOK}/guestbook/redis-master-deployment.yaml": (Question("Deployment/redis-master", Ping()),),
    f"{_GUESTBOOK}/guestbook/redis-replica-deployment.yaml": (
        Question("Deployment/redis-replica", Ping(), needs=_REPLICA_NEEDS),
    ),
    f"{_GUESTBOOK}/guestbook/all-in-one/redis-replica.yaml": (
        Question("Deployment/redis-replica", Ping(), needs=_REPLICA_NEEDS),
    ),
    f"{_KUEUE}/sample-cronjob.yaml": (Question("CronJob/sample-cronjob", Complete(150)),),
    f"{_KUEUE}/sample-job.yaml": (Question("Job/sample-job-", Complete(240)),),
    f"{_KUEUE}/sample-job-partial-admission.yaml": (Question("Job/sample-job-partial-admission", Complete(240)),),
}
"""The checks for each file."""


@cache
def list_manifests() -> tuple[Manifest, ...]:
    """Return every manifest file, sorted by path. Raises FileNotFoundError if there are none."""
    paths = sorted(FOLDER.rglob("*.yaml"))
    if not paths:
        raise FileNotFoundError(f"no manifests in {FOLDER}: set SOVEREIGN_WORKLOADS to the folder that has them")
    return tuple(map(_read_manifest, paths))


def list_running() -> tuple[Manifest, ...]:
    """Return the manifests that can really run."""
    return tuple(manifest for manifest in list_manifests() if manifest.runs)


def find_pod_specs(document: Any) -> Iterator[dict[str, Any]]:
    """Yield every pod spec in a document, at any depth: in a Deployment as well as in a CronJob."""
    if isinstance(document, dict):
        if isinstance(document.get("containers"), list):
            yield document
        for value in document.values():
            yield from find_pod_specs(value)
    elif isinstance(document, list):
        for value in document:
            yield from find_pod_specs(value)


def _read_manifest(path: Path) -> Manifest:
    documents = tuple(document for document in yaml.safe_load_all(path.read_text()) if document)
    images = sorted({qualify(name) for document in documents for name in _list_images(document)})
    obstacles = [f"image {name}" for name in images if name not in public.available()]
    obstacles += sorted({f"volume {kind}" for document in documents for kind in _list_foreign_volumes(document)})
    return Manifest(path.relative_to(FOLDER).as_posix(), documents, tuple(images), tuple(obstacles))


def _list_images(document: Any) -> Iterator[str]:
    for spec in find_pod_specs(document):
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            yield container["image"]


def _list_foreign_volumes(document: dict[str, Any]) -> Iterator[str]:
    if document.get("spec", {}).get("volumeClaimTemplates"):
        yield "persistentVolumeClaim"
    for spec in find_pod_specs(document):
        for volume in spec.get("volumes", []):
            yield from (set(volume) - {"name"}) - LOCAL_VOLUMES
