"""Tools that manage workloads, as the API server sees them: how they find differences, and how they write."""

import abc
import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import yaml

from hack.cluster import Cluster, binaries
from hack.kubectl import Json, Kubectl
from tests.documents import REFERENCE
from tests.e2e.support.drift import drift
from tests.e2e.support.manifests import workload

T = TypeVar("T")

KINDS: Final = {"app": "Deployment", "agent": "DaemonSet"}
SELECTOR: Final = {"kubernetes.io/hostname": "lyon-1"}
"""A nodeSelector of the DaemonSet's own."""


def applications(message: str) -> list[Json]:
    """Return a Deployment and a DaemonSet, each for one pod."""
    made = [workload("Deployment", "app", 1), workload("DaemonSet", "agent", nodeSelector=SELECTOR)]
    for manifest in made:
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        container["env"] = [{"name": "MESSAGE", "value": message}]
        manifest["metadata"]["labels"] = {"app": manifest["metadata"]["name"]}
    return made


class Tool(abc.ABC):
    """A tool that applies the applications from their manifests."""

    @abc.abstractmethod
    def apply(self, namespace: str, message: str) -> None:
        """Apply the applications, whether or not they exist already."""

    @abc.abstractmethod
    def differences(self, namespace: str, message: str) -> str:
        """Return what it would show as different, in words; empty if nothing."""


class ArgoCD(Tool):
    """Runs kubectl's code under its own name; compares with what it applied last, or has the API server dry-run."""

    def __init__(self, admin: Kubectl, *options: str) -> None:
        self._admin, self._options = admin, ("--field-manager=argocd-controller", *options)

    def apply(self, namespace: str, message: str) -> None:
        self._admin.apply(*applications(message), namespace=namespace, options=self._options)

    def differences(self, namespace: str, message: str) -> str:
        return drift(self._admin, namespace, yaml.safe_dump_all(applications(message)))


class Terraform(Tool):
    """Resources with a kind of their own: what they read is compared key by key, and a whole spec replaced.

    Source: hashicorp/terraform-provider-kubernetes 3a33fb6, ``patchMetadata``, ``flattenMetadata`` and
    ``resourceKubernetesDeploymentV1Update``. ``settings``: whether it has those of the page.
    """

    def __init__(self, admin: Kubectl, *, settings: bool) -> None:
        self._admin = admin
        text = (REFERENCE / "gitops.md").read_text(encoding="utf-8")
        labels = re.findall(r'ignore_labels = \["(.*)"\]', text)
        self._ignored_labels = [label.replace("\\\\", "\\") for label in labels] if settings else []
        changes = re.findall(r'^ *spec\[0\]\.template\[0\]\..*\["(.*)"\],$', text, re.MULTILINE)
        self._ignored_changes = set(changes) if settings else set()
        assert labels
        assert len(changes) > 1

    def apply(self, namespace: str, message: str) -> None:
        for manifest in applications(message):
            live = self._read(manifest, namespace)
            if live is None:
                self._admin.create(manifest, namespace)
            elif patch := self._patch(manifest, live):
                name = f"{manifest['kind'].lower()}/{manifest['metadata']['name']}"
                how = ("--type=json", "--field-manager=Terraform", "-p", json.dumps(patch))
                self._admin.run("-n", namespace, "patch", name, *how)

    def differences(self, namespace: str, message: str) -> str:
        found = ((manifest, self._read(manifest, namespace)) for manifest in applications(message))
        patches = [self._patch(manifest, live) for manifest, live in found if live]
        return "\n".join(json.dumps(patch) for patch in patches if patch)

    def _read(self, manifest: Json, namespace: str) -> Json | None:
        where = ("-n", namespace, "get", manifest["kind"].lower(), manifest["metadata"]["name"], "-o", "json")
        done = self._admin.attempt(*where)
        return None if done.returncode else dict(json.loads(done.stdout))

    def _patch(self, manifest: Json, live: Json) -> list[Json]:
        """Return the JSON patch with which a plan would be carried out."""
        own = manifest["metadata"]["labels"]
        unknown = [key for key in live["metadata"]["labels"] if key not in own]
        patch: list[Json] = [
            {"op": "remove", "path": f"/metadata/labels/{key.replace('/', '~1')}"}
            for key in unknown
            if not any(re.search(each, key) for each in self._ignored_labels)
        ]
        spec = json.loads(json.dumps(manifest["spec"]))
        wanted, found = spec["template"], live["spec"]["template"]
        for path in (("metadata", "labels"), ("spec", "nodeSelector")):
            before = self._planned(_at(wanted, path), _at(found, path))
            if before:
                wanted[path[0]][path[1]] = before
        shown = [(_at(each, ("metadata", "labels")), _at(each, ("spec", "nodeSelector"))) for each in (wanted, found)]
        messages = [each["spec"]["containers"][0]["env"] for each in (wanted, found)]
        if shown[0] != shown[1] or messages[0] != messages[1]:
            patch.append({"op": "replace", "path": "/spec", "value": spec})
        return patch

    def _planned(self, wanted: Json, found: Json) -> Json:
        """Return a map as it is planned: keys that are ignored have the value that was read."""
        return wanted | {key: value for key, value in found.items() if key in self._ignored_changes}


def _at(template: Json, path: tuple[str, str]) -> Json:
    found: Json = template.get(path[0], {}).get(path[1], {})
    return found


class Flux(Tool):
    """The library of its kustomize-controller."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def apply(self, namespace: str, message: str) -> None:
        self.reconcile(*self._in(namespace, message))

    def differences(self, namespace: str, message: str) -> str:
        # What differs is applied, as it is by the controller; its word for all else is "unchanged".
        done = self.reconcile(*self._in(namespace, message))
        return "\n".join(f"{name} {action}" for name, action in done.items() if action != "unchanged")

    def reconcile(self, *objects: Json) -> dict[str, str]:
        """Apply objects where they differ, and return what was done with each, by ``Kind/namespace/name``."""
        done = subprocess.run(
            [str(binaries.path("flux-apply"))],
            input=json.dumps(objects),
            env=os.environ | {"KUBECONFIG": str(self._cluster.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, str] = json.loads(done.stdout)
        return answer

    @staticmethod
    def _in(namespace: str, message: str) -> list[Json]:
        return [each | {"metadata": each["metadata"] | {"namespace": namespace}} for each in applications(message)]


def managed_by(admin: Kubectl, manager: str, kind: str, name: str, namespace: str) -> Any:
    """Return the fields that a field manager owns in an object, as its managedFields have them."""
    said = admin.run("-n", namespace, "get", kind, name, "-o", "json", "--show-managed-fields")
    entries = json.loads(said)["metadata"]["managedFields"]
    (owned,) = (entry["fieldsV1"] for entry in entries if entry["manager"] == manager)
    return owned


def check_all(tools: Mapping[str, T], check: Callable[[str, T], None], make_namespace: Callable[[], str]) -> None:
    """Check every tool in a namespace of its own, all at the same time: pods take most of it to start and to stop."""
    with ThreadPoolExecutor() as pool:
        for name, outcome in {name: pool.submit(check, make_namespace(), tool) for name, tool in tools.items()}.items():
            try:
                outcome.result()
            except Exception as error:
                error.add_note(f"The tool was {name}.")
                raise
