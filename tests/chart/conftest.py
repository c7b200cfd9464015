"""The chart, rendered by Helm."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from hack.cluster import binaries
from hack.install import CHART

Json = dict[str, Any]
Render = Callable[..., list[Json]]


def run_helm(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm, whatever comes of it."""
    helm = binaries.path("helm")
    command = [str(helm), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)


def template(*options: str) -> subprocess.CompletedProcess[str]:
    """Render the chart as for a release."""
    fixed = ("--namespace", "sovereign-system", "--kube-version", "1.37.2")
    return run_helm("template", "release", str(CHART), *fixed, *options)


@pytest.fixture(scope="session")
def render() -> Render:
    """Render the chart with options, and return its objects."""

    def run(*options: str) -> list[Json]:
        done = template(*options)
        assert done.returncode == 0, done.stderr
        # The parser in C: what the chart renders would take the one in Python seconds.
        return [document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document]

    return run
