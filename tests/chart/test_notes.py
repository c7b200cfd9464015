"""What the chart tells an admin who installs it, for each version of Kubernetes."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from hack.cluster.spec import KUBERNETES_VERSIONS
from hack.install import CHART
from tests.chart.rendering import ENCRYPTION, Json, of_kind, run_helm

SHOWN = """
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {notes: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}}
"""
"""Helm renders notes only for a release, which takes a cluster. So a copy of the chart has them in an object."""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("chart") / "sovereign-operator"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "notes.yaml").write_text(SHOWN, encoding="utf-8")
    return copy


def rendered(chart: Path, version: str, *options: str) -> list[Json]:
    done = run_helm("template", "release", str(chart), "-n", "sovereign-system", "--kube-version", version, *options)
    assert not done.returncode, done.stderr
    return [found for found in yaml.load_all(done.stdout, yaml.CSafeLoader) if found]


def text_of(objects: list[Json]) -> str:
    """Return the notes."""
    return str(of_kind(objects, "ConfigMap")["notes"]["data"]["notes"])


def opening(objects: list[Json]) -> tuple[set[str], str]:
    """Return the kinds that the command for an emergency deletes, and their label."""
    ((kinds, label),) = re.findall(r"^ +kubectl delete (\S+) -l (\S+)$", text_of(objects), re.MULTILINE)
    return set(kinds.split(",")), label


@pytest.mark.parametrize(("options", "last"), [((), 4), (ENCRYPTION, 5)], ids=["without encryption", "with encryption"])
def test_the_steps_are_numbered_one_after_another(chart: Path, options: tuple[str, ...], last: int) -> None:
    text = text_of(rendered(chart, f"{KUBERNETES_VERSIONS[-1]}.0", *options))
    assert [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)] == [*range(1, last + 1)]


@pytest.mark.parametrize("options", [(), ENCRYPTION], ids=["without encryption", "with encryption"])
@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_the_command_for_an_emergency_deletes_all_guards_and_placement(
    chart: Path, version: str, options: tuple[str, ...]
) -> None:
    """It names no kind that the API server does not serve: kubectl would then delete nothing at all."""
    objects = rendered(chart, f"{version}.0", *options)
    kinds, label = opening(objects)
    key, value = label.split("=")
    doomed = [found for found in objects if found["kind"].lower() in kinds]
    assert {found["kind"].lower() for found in doomed} == kinds
    assert all(found["metadata"]["labels"][key] == value for found in doomed)
    left = [found for found in objects if found not in doomed]
    assert not of_kind(left, "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding")
    webhooks = [hook for found in of_kind(left, "MutatingWebhookConfiguration").values() for hook in found["webhooks"]]
    assert not [hook["name"] for hook in webhooks if hook["name"].endswith(".placement.sovereignty.dev")]


def test_what_the_api_server_serves_counts_more_than_its_version(chart: Path) -> None:
    a_cluster = ("--api-versions", "v1/Pod")
    kinds, _ = opening(rendered(chart, "1.37.0", *a_cluster))
    assert kinds == {"validatingadmissionpolicybinding", "mutatingwebhookconfiguration"}
    served = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
    kinds, _ = opening(rendered(chart, "1.37.0", *a_cluster, "--api-versions", served))
    assert kinds == {"validatingadmissionpolicybinding", "mutatingadmissionpolicybinding"}
