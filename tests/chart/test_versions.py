"""What the chart renders for each version of Kubernetes, and what it refuses there."""

import shutil
from pathlib import Path

import pytest
import yaml

from hack.cluster.spec import KUBERNETES_VERSIONS
from hack.install import CHART
from tests.chart.rendering import ENCRYPTION, IDENTITY, Json, of_kind, run_helm

OLDER = [version for version in KUBERNETES_VERSIONS if version != "1.37"]
SERVED = "certificates.k8s.io/v1/PodCertificateRequest"
REQUEST = ("--set", "identity.certificates=Request")
A_CLUSTER = ("--api-versions", "v1/Pod")
"""Helm asks a cluster what it serves. This stands for the answer."""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the chart for all versions that our test clusters have, whichever the chart supports so far."""
    copy = tmp_path_factory.mktemp("chart") / "sovereign-operator"
    shutil.copytree(CHART, copy)
    about = yaml.safe_load((copy / "Chart.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(about | {"kubeVersion": f">={KUBERNETES_VERSIONS[0]}.0-0"})
    (copy / "Chart.yaml").write_text(text, encoding="utf-8")
    return copy


def rendered(chart: Path, version: str, *options: str) -> list[Json]:
    fixed = ("--namespace", "sovereign-system", "--kube-version", f"{version}.2")
    done = run_helm("template", "release", str(chart), *fixed, *options)
    assert not done.returncode, done.stderr
    return [found for found in yaml.load_all(done.stdout, yaml.CSafeLoader) if found]


def refusal(chart: Path, version: str, *options: str) -> str:
    """Return why Helm does not render the chart."""
    done = run_helm("template", "release", str(chart), "--kube-version", version, *options)
    assert done.returncode
    return done.stderr


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_sidecars_get_certificates_by_token_with_every_version(chart: Path, version: str) -> None:
    objects = rendered(chart, version, *ENCRYPTION)
    (injector,) = of_kind(objects, "Deployment")["sovereign-injector"]["spec"]["template"]["spec"]["containers"]
    assert "--certificates=Token" in injector["args"]
    guards = of_kind(objects, "ValidatingAdmissionPolicy")
    assert {"sovereignty-guard-tokens", "sovereignty-guard-trust", "sovereignty-guard-signer"} <= set(guards)
    assert rendered(chart, version, *ENCRYPTION, *A_CLUSTER)


@pytest.mark.parametrize("version", OLDER)
def test_the_guards_are_the_same_with_every_version(chart: Path, version: str) -> None:
    """What places pods depends on the version, but not what refuses them."""
    options = (*ENCRYPTION, "--set", "placement.by=Webhook")
    assert of_kind(rendered(chart, version, *options), "ValidatingAdmissionPolicy") == of_kind(
        rendered(chart, "1.37", *options), "ValidatingAdmissionPolicy"
    )


@pytest.mark.parametrize("version", OLDER)
def test_without_pod_certificates_only_sidecars_get_some(chart: Path, version: str) -> None:
    alone = refusal(chart, version, *IDENTITY)
    assert "identity.enabled alone needs Kubernetes 1.37 or newer with pod certificates" in alone
    assert f"(v{version}) does not serve" in alone
    assert "set encryption.enabled, too" in alone
    by_request = refusal(chart, version, *ENCRYPTION, *REQUEST)
    assert "identity.certificates=Request needs Kubernetes 1.37 or newer with pod certificates" in by_request
    assert "set identity.certificates=Token" in by_request


@pytest.mark.parametrize("options", [IDENTITY, (*ENCRYPTION, *REQUEST)])
def test_what_a_cluster_serves_counts_more_than_its_version(chart: Path, options: tuple[str, ...]) -> None:
    assert rendered(chart, "1.37", *options)
    assert rendered(chart, "1.37", *options, *A_CLUSTER, "--api-versions", SERVED)
    assert rendered(chart, "1.36", *options, *A_CLUSTER, "--api-versions", SERVED)
    assert "with pod certificates" in refusal(chart, "1.37.2", *options, *A_CLUSTER)
    # Managed clusters have versions of their own.
    assert "with pod certificates" in refusal(chart, "1.36.4-gke.100", *options)


def test_identity_can_be_off_whatever_the_rest_says(chart: Path) -> None:
    assert rendered(chart, "1.33", *REQUEST)


@pytest.mark.parametrize("certificates", ["token", "Both", ""])
def test_a_way_that_there_is_not_is_refused(chart: Path, certificates: str) -> None:
    said = refusal(chart, "1.37", "--set", f"identity.certificates={certificates}")
    assert "/identity/certificates" in said
