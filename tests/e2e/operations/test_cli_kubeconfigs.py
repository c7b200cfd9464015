"""``kubectl sovereign`` as a plugin of kubectl, with all kinds of kubeconfigs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Kubectl
from tests.e2e.support.client import Client, changed, on_path, unread
from tests.e2e.support.observed import living_pods

POLICY = "secnumcloud"


@pytest.mark.every_kubernetes
def test_a_token_and_a_credential_plugin_are_used_as_by_kubectl(
    admin: Kubectl, developer: Client, hospital: str, tmp_path: Path
) -> None:
    assert developer.kubeconfig.exists()  # its user has a client certificate
    admin.run(
        "-n", hospital, "create", "rolebinding", "robot", "--clusterrole=view", f"--serviceaccount={hospital}:default"
    )
    token = admin.run("-n", hospital, "create", "token", "default").strip()
    plain = Client(changed(admin.kubeconfig, tmp_path, token=token))
    answer = plain.ask("explain", "deployment/app", "-n", hospital)
    assert "nodes" in unread(answer)
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token},
    }
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(json.dumps(credential))})"],
        "interactiveMode": "Never",
    }
    assert (
        Client(changed(admin.kubeconfig, tmp_path, exec=plugin)).ask("explain", "deploy/app", "-n", hospital) == answer
    )
    refused = Client(changed(admin.kubeconfig, tmp_path, token="wrong")).error("status")
    assert "does not accept your credentials: log in again" in refused


def test_who_impersonates_reads_as_that_person_may(
    admin: Kubectl, developer: Client, hospital: str, tmp_path: Path
) -> None:
    path = changed(admin.kubeconfig, tmp_path, **{"as": "dev", "as-groups": ["system:authenticated"]})
    answer = Client(path).ask("explain", "deployment/app", "-n", hospital)
    assert answer["unread"] == developer.ask("explain", "deployment/app", "-n", hospital)["unread"]
    assert "nodes" in unread(answer)


def test_the_namespace_and_the_context_of_a_kubeconfig_are_used(admin: Kubectl, hospital: str, tmp_path: Path) -> None:
    content = yaml.safe_load(admin.kubeconfig.read_text(encoding="utf-8"))
    (context,) = content["contexts"]
    content["contexts"].append({"name": "there", "context": context["context"] | {"namespace": hospital}})
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert Client(path).ask("explain", "deployment/app", "--context", "there")["namespace"] == hospital
    assert "in namespace default" in Client(path).error("explain", "deployment/app")


def test_kubectl_finds_and_completes_it(admin: Kubectl, client: Client, tmp_path: Path) -> None:
    environment = on_path(tmp_path) | {"KUBECONFIG": str(admin.kubeconfig)}

    def kubectl(*arguments: str) -> str:
        command = [str(admin.program), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert json.loads(kubectl("sovereign", "version", "-o", "json")) == client.ask("version")
    assert "sovereign" in kubectl("plugin", "list")
    offered = kubectl("__complete", "sovereign", "cat").splitlines()
    assert offered[0].partition("\t")[0] == "catalogue"
    assert kubectl("__complete", "sovereign", "explain", "dep").splitlines()[0] == "deployment/"


def test_the_operators_image_has_nothing_of_what_the_client_needs(admin: Kubectl) -> None:
    name = living_pods(admin, NAMESPACE, CONTROLLER_PODS)[0]["metadata"]["name"]
    look = "from importlib.util import find_spec as f; print([m for m in ('typer', 'rich', 'shellingham') if f(m)])"
    assert admin.run("-n", NAMESPACE, "exec", name, "--", "python3", "-c", look).strip() == "[]"
