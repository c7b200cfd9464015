"""The chart as a whole: Helm's own checks, the CRDs, the values, and what the processes are told."""

from typing import Any

import pytest
import yaml

from hack.install import CHART
from sovereign_operator.controller import settings as controller_settings
from sovereign_operator.kube.objects.guard import read_list
from sovereign_operator.signer import settings as signer_settings
from tests.chart.rendering import ALL_GUARDS, ENCRYPTION, IDENTITY, Render, guard_list, of_kind, run_helm, template


def test_helm_finds_nothing_wrong(render: Render) -> None:
    assert render()
    linted = run_helm("lint", "--strict", str(CHART))
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_crds_are_those_that_are_generated(render: Render) -> None:
    rendered = of_kind(render(), "CustomResourceDefinition")
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CHART / "files" / "crds").glob("*.yaml")]
    assert len(files) == 5
    for crd in files:
        name = crd["metadata"]["name"]
        assert rendered[name]["spec"] == crd["spec"]
        assert rendered[name]["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_crds_can_be_left_out_and_can_go_with_the_release(render: Render) -> None:
    assert not of_kind(render("--set", "crds.enabled=false"), "CustomResourceDefinition")
    going = of_kind(render("--set", "crds.keep=false"), "CustomResourceDefinition")
    assert not any("annotations" in crd["metadata"] for crd in going.values())


@pytest.mark.parametrize("options", [(), IDENTITY, ENCRYPTION, ALL_GUARDS])
def test_the_processes_take_what_the_chart_tells_them(
    render: Render, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "sovereign-system")
    objects = render(*options)
    told = {
        name: container["args"]
        for name, deployment in of_kind(objects, "Deployment").items()
        for container in deployment["spec"]["template"]["spec"]["containers"]
    }
    settings = controller_settings.parse(told["sovereign-controller"])
    assert settings.with_signer is bool(options)
    assert settings.with_reports is (options == ALL_GUARDS)
    assert settings.replica.system_namespaces == {
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "sovereign-system",
        "sovereign-keys",
    }
    listed = guard_list(objects)
    (found,) = read_list(listed).items()
    assert found[0] == settings.guards
    assert len(found[1]) >= 20
    if options:
        signer = signer_settings.parse(told["sovereign-signer"])
        assert (signer.trust_domain, signer.keys_namespace) == ("hospital.example.org", "sovereign-keys")
        assert not signer.move_keys


def test_values_of_a_former_version_render_as_the_defaults(render: Render) -> None:
    """With helm upgrade --reuse-values, values that a new version introduced are missing."""
    for options in ((), ENCRYPTION):
        identity = ("identity.keysNamespace", "identity.moveKeys", "identity.certificates")
        missing = (*identity, "controller.templateNamespaces", "networkPolicies", "reports", "clusterView")
        former = ("--set", ",".join(f"{value}=null" for value in missing))
        assert render(*options, *former) == render(*options)


def test_a_digest_wins_over_a_tag(render: Render) -> None:
    digest = "sha256:" + "0" * 64
    deployment = of_kind(render("--set", f"image.digest={digest}", "--set", "image.tag=v1"), "Deployment")
    (container,) = deployment["sovereign-controller"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"localhost/sovereign-operator@{digest}"


MISTAKES: dict[str, Any] = {
    "an unknown value": "controler.replicas=2",
    "an unknown value within": "controller.replica=2",
    "a word for a number": "controller.replicas=two",
    "an unknown log level": "controller.logLevel=chatty",
    "a digest that is none": "image.digest=sha256:12",
    "no kube-system among the system namespaces": "systemNamespaces={default}",
}


@pytest.mark.parametrize("option", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_values_is_refused(option: str) -> None:
    refused = template("--set", option)
    assert refused.returncode != 0
    assert "values don't meet the specifications of the schema" in refused.stderr
