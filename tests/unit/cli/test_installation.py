"""How the operator is installed is read from its own objects, with the chart's defaults where these may not be read."""

from typing import Any

import pytest
import yaml

from hack.install import CHART
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.cli.gather.installation import KEYS_NAMESPACE, USUAL_NAMESPACE, Installation, label_of, option
from sovereign_operator.core.names import SYSTEM_NAMESPACES
from tests.documents import README


def deployment(name: str = "sovereign-controller", *arguments: str) -> dict[str, Any]:
    containers = [{"name": "controller", "args": list(arguments)}]
    return {"metadata": {"name": name}, "spec": {"template": {"spec": {"containers": containers}}}}


def installation(*objects: dict[str, Any]) -> Installation:
    return Installation("ops", tuple((WorkloadKind.DEPLOYMENT, obj) for obj in objects))


TOLD = deployment("sovereign-controller", "--system-namespaces=kube-system,ours", "--log-level=info", "--guards=0123")


def test_it_knows_what_the_controller_is_told() -> None:
    found = installation(deployment("sovereign-signer", "--system-namespaces=other"), TOLD)
    assert found.controller is TOLD
    assert found.system_namespaces == {"kube-system", "ours", "ops"}
    assert found.guards == "0123"


@pytest.mark.parametrize(
    "found", [Installation("ops", None), installation(), installation(deployment()), installation(deployment("other"))]
)
def test_otherwise_the_defaults_of_the_chart_hold(found: Installation) -> None:
    assert found.system_namespaces == SYSTEM_NAMESPACES | {KEYS_NAMESPACE, "ops"}
    assert found.guards == ""


def test_the_defaults_are_those_of_the_chart_and_of_the_readme() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert values["identity"]["keysNamespace"] == KEYS_NAMESPACE
    assert f"-n {USUAL_NAMESPACE} --create-namespace" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("obj", [None, deployment(), {"spec": {"template": {"spec": {"containers": [{}]}}}}])
def test_an_option_that_is_not_there_is_empty(obj: dict[str, Any] | None) -> None:
    assert option(obj, "--guards=") == ""


@pytest.mark.parametrize(("labels", "label"), [({"a": "b"}, "b"), ({}, ""), (None, "")])
def test_a_label_that_is_not_there_is_empty(labels: dict[str, str] | None, label: str) -> None:
    assert label_of({"metadata": {"labels": labels}}, "a") == label
