"""The folder `operator` does not hide Python's module of this name, and the linters enforce the layers."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
STDLIB_OPERATOR = "import operator; assert operator.itemgetter and operator.__file__.endswith('operator.py')"


@pytest.mark.parametrize(
    "arguments", [("-c", STDLIB_OPERATOR), ("-m", "hack.crds", "--check")], ids=["import operator", "python -m"]
)
def test_python_finds_its_own_operator_module_in_our_folder(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_our_folder_is_no_package() -> None:
    """With an __init__.py it would hide Python's module from every program that runs in the repository's root."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not list((ROOT / "operator").glob("*.py"))


FORBIDDEN = {
    "the core imports the Kubernetes client": ("core/placement/verdict.py", "import kubernetes"),
    "the core imports a process": (
        "core/placement/verdict.py",
        "import sovereign_operator.controller.observed.triggers",
    ),
    "the client imports kopf": ("kube/client/errors.py", "import kopf"),
    "certificates import the client": ("pki/leaf.py", "import sovereign_operator.kube.client.errors"),
    "the client imports certificates": ("kube/client/errors.py", "import sovereign_operator.pki.leaf"),
    "certificates import decisions": ("pki/leaf.py", "import sovereign_operator.core.placement.verdict"),
    "certificates open connections": ("pki/leaf.py", "import socket"),
    "the redirect imports the client": ("dataplane/redirect.py", "import sovereign_operator.kube.client.errors"),
    "the redirect opens connections": ("dataplane/redirect.py", "import socket"),
    "the models import the core": ("api/v1alpha1/kind.py", "import sovereign_operator.core.names"),
    "placement imports workloads": ("core/placement/verdict.py", "import sovereign_operator.core.workload.facts"),
    "certificates rest on encryption": ("core/identity/request.py", "import sovereign_operator.core.encryption.wire"),
    "placement imports the sidecar": ("core/placement/facts.py", "import sovereign_operator.core.sidecar.contract"),
    "reports import rules": ("core/report/reasons.py", "import sovereign_operator.core.kubernetes.selector"),
    "the client imports the mirror": ("kube/client/api.py", "import sovereign_operator.kube.mirror"),
    "the mirror imports objects": ("kube/mirror.py", "import sovereign_operator.kube.objects.fields"),
    "what is observed imports what is done": (
        "controller/observed/agents.py",
        "import sovereign_operator.controller.reconcile.cluster",
    ),
    "keys import what is observed": ("controller/keys.py", "import sovereign_operator.controller.observed.references"),
    "the agent's decision asks the API server": ("agent/decide.py", "import sovereign_operator.kube.client.api"),
    "the agent's decision waits": ("agent/decide.py", "import asyncio"),
    "the webhook's answer asks the API server": ("injector/review.py", "import sovereign_operator.kube.mirror"),
    "the webhook's answer opens connections": ("injector/review.py", "import socket"),
    "the sidecar's start needs cryptography": ("sidecar/envoy_files.py", "import sovereign_operator.pki.leaf"),
    "what stays beside Envoy speaks TLS": ("sidecar/supervise.py", "import sovereign_operator.sidecar.signer_client"),
    "what stays beside Envoy imports the contract": (
        "sidecar/renewal.py",
        "import sovereign_operator.core.sidecar.contract",
    ),
    "a process imports the client": ("agent/decide.py", "import sovereign_operator.cli.errors"),
    "the client imports a process": ("cli/errors.py", "import sovereign_operator.controller.keys"),
    "the client imports what processes share": ("cli/gather/reader.py", "import sovereign_operator.runtime.queue"),
    "an answer of the client reads the cluster": (
        "cli/answers/pod.py",
        "import sovereign_operator.kube.client.api",
    ),
    "the operator needs Rich": ("kube/client/errors.py", "import rich"),
    "tasks import the core": ("aio/tasks.py", "import sovereign_operator.core.names"),
}


@pytest.mark.parametrize(("module", "line"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_an_import_against_the_layers_is_found(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(ROOT / "operator" / "sovereign_operator", tmp_path / "sovereign_operator")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    changed = tmp_path / "sovereign_operator" / module
    changed.write_text(f"{changed.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


@pytest.mark.parametrize("line", ["import time", "import os", "import subprocess", "NOW = datetime.now(UTC)"])
@pytest.mark.parametrize(
    "module",
    [
        "core/placement/calendar.py",
        "agent/decide.py",
        "cli/answers/pod.py",
        "injector/review.py",
        "injector/placement.py",
    ],
)
def test_what_decides_has_no_clock_and_no_machine(module: str, line: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ruff", "check", "--select", "TID251"),
            *("--stdin-filename", f"operator/sovereign_operator/{module}", "-"),
        ],
        input=f"from datetime import UTC, datetime\n{line}\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "TID251" in done.stdout


def modules_imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def test_what_tests_share_is_in_helpers() -> None:
    """No test module and no conftest.py is imported: a module that others depend on cannot be changed on its own."""
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for folder in ("hack", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for module in modules_imported_by(path)
        if any(part == "conftest" or part.startswith("test_") for part in module.split("."))
    ]
    assert not found
