"""``kubectl sovereign`` as people run it: in a process of its own, with their kubeconfig."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.kubectl import Json, Kubectl
from tests.e2e.support.observed import living_pods

PROGRAMS = {"kubectl-sovereign": "main", "kubectl_complete-sovereign": "complete"}
"""The programs that an installation puts on PATH, and their functions."""


@dataclass(frozen=True)
class Client:
    """The program, with one person's kubeconfig."""

    kubeconfig: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command, however it ends. Raises AssertionError if it prints a traceback."""
        command = [sys.executable, "-m", "sovereign_operator.cli", *arguments, "--kubeconfig", str(self.kubeconfig)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ask(self, *arguments: str, code: int = 0) -> Json:
        """Return the answer to a command as JSON. Raises AssertionError if it does not end with this exit code."""
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == code, done
        answer: Json = json.loads(done.stdout)
        assert answer["apiVersion"] == "cli.sovereignty.dev/v1alpha1"
        return answer

    def text(self, *arguments: str, code: int = 0) -> str:
        """Return what a command prints for people. Raises AssertionError if it does not end with this exit code."""
        done = self.run(*arguments)
        assert done.returncode == code, done
        return done.stdout

    def error(self, *arguments: str) -> str:
        """Return the sentence with which a command ends that gives no answer. Raises AssertionError if it gives one."""
        done = self.run(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done
        (sentence,) = done.stderr.splitlines()
        return sentence


def on_path(folder: Path) -> dict[str, str]:
    """Put the programs into a folder, as pipx does, and return an environment in which kubectl finds them."""
    for name, function in PROGRAMS.items():
        script = folder / name
        script.write_text(f"#!{sys.executable}\nfrom sovereign_operator.cli.__main__ import {function}\n{function}()\n")
        script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def changed(kubeconfig: Path, folder: Path, **user: Any) -> Path:
    """Return a kubeconfig of the same cluster with another user."""
    content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    for entry in content["users"]:
        entry["user"] = user if "as" not in user else entry["user"] | user
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def running(admin: Kubectl, namespace: str) -> Json:
    """Return the one pod that runs in a namespace. Raises AssertionError if it is not one."""
    pods = living_pods(admin, namespace)
    assert len(pods) == 1, [pod["metadata"]["name"] for pod in pods]
    return pods[0]


def unread(answer: Json) -> set[str]:
    """Return the resources that an answer leaves out."""
    return {entry["resource"] for entry in answer["unread"]}
