"""The process that serves commands of kubectl does, and says, what kubectl does."""

import json
import subprocess
import threading
from collections.abc import Iterator
from subprocess import CompletedProcess
from typing import Any

import pytest

from hack import served_kubectl
from hack.cluster import Cluster, binaries
from hack.served_kubectl import ServedKubectl

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "<b> & é"}}
COMMANDS = [
    (("create", "-f", "-", "--dry-run=server", "-o", "name"), CONFIG),
    (("create", "-f", "-"), CONFIG | {"metadata": {"name": "Not A Name"}}),
    (("create", "-f", "-"), CONFIG | {"datum": {}}),
    (("apply", "-f", "-", "--dry-run=server"), {"apiVersion": "v1", "kind": "List", "items": [CONFIG, CONFIG]}),
    (("apply", "-f", "-"), CONFIG | {"kind": "Unknown"}),
    (("-n", "none", "create", "-f", "-"), CONFIG),
    (("get", "nonsense"), None),
    (("get", "configmap", "none", "-o", "json"), None),
    (("get", "--raw", "/version"), None),
    (("get", "namespace", "default", "-o", "name"), None),
    (("patch", "namespace", "default", "--type=merge", "--dry-run=server", "-p", '{"metadata": {"uid": "x"}}'), None),
    (
        ("patch", "namespace", "default", "--dry-run=server", "--patch-file=/dev/stdin"),
        {"metadata": {"labels": {"a": "b"}}},
    ),
    (("apply", "-f", "/dev/stdin", "--dry-run=server"), CONFIG),
    (("label", "namespace", "default", "a b=c"), None),
    (("delete", "configmap", "none"), None),
    (("delete", "configmap", "none", "--ignore-not-found"), None),
    (("scale", "deployment/none", "--replicas=2"), None),
    (("rollout", "status", "deployment/none"), None),
    (("logs", "none"), None),
    (("wait", "namespace/default", "--for=jsonpath={.status.phase}=Active"), None),
    (("get", "--nonsense"), None),
]


@pytest.fixture(scope="module")
def serving() -> Iterator[ServedKubectl]:
    process = ServedKubectl()
    yield process
    process.end()


def text_of(stdin: Any) -> str:
    return json.dumps(stdin, ensure_ascii=False) if stdin else ""


def by_process(arguments: list[str], stdin: str) -> CompletedProcess[str]:
    command = [str(binaries.path("kubectl")), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("words", "stdin"), COMMANDS, ids=lambda value: " ".join(value) if value else "")
def test_a_served_command_says_the_same(
    cluster: Cluster, serving: ServedKubectl, words: tuple[str, ...], stdin: Any
) -> None:
    arguments = ["--kubeconfig", str(cluster.kubeconfig), *words]
    served, alone = serving.attempt(arguments, text_of(stdin)), by_process(arguments, text_of(stdin))
    assert served
    assert (served.returncode, served.stdout, served.stderr) == (alone.returncode, alone.stdout, alone.stderr)


@pytest.mark.parametrize(
    "words", ["exec one -- true", "get pods -w", "logs one -f", "auth can-i list pods", "port-forward one 80", "--help"]
)
def test_what_may_not_end_or_ends_its_process_is_not_served(serving: ServedKubectl, words: str) -> None:
    assert serving.attempt(words.split(), "") is None


def test_another_process_follows_after_some_commands(
    cluster: Cluster, serving: ServedKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_kubectl, "COMMANDS_AT_MOST", 1)
    arguments = ["--kubeconfig", str(cluster.kubeconfig), "get", "namespace", "default", "-o", "name"]
    answers = [serving.attempt(arguments, "") for _ in range(3)]
    assert [answer and answer.stdout for answer in answers] == ["namespace/default\n"] * 3


def test_a_command_while_another_one_runs_is_not_served(cluster: Cluster, serving: ServedKubectl) -> None:
    arguments = ["--kubeconfig", str(cluster.kubeconfig)]
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        serving.attempt([*arguments, "wait", "namespace/default", "--for=delete", "--timeout=5s"], "")

    waiting = threading.Thread(target=wait)
    waiting.start()
    begun.wait()
    unserved = [serving.attempt([*arguments, "get", "namespace", "default"], "") for _ in range(20)]
    waiting.join()
    assert None in unserved
    assert serving.attempt([*arguments, "get", "namespace", "default"], "")
