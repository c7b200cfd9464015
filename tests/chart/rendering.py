"""The chart as Helm renders it, and functions to find rendered objects."""

import subprocess
from collections.abc import Callable
from typing import Any

from hack.cluster import binaries
from hack.install import CHART
from sovereign_operator.core import names

Json = dict[str, Any]
Render = Callable[..., list[Json]]


def run_helm(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm, whether it succeeds or not."""
    helm = binaries.path("helm")
    command = [str(helm), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)


def template(*options: str) -> subprocess.CompletedProcess[str]:
    """Render the chart as for a release."""
    fixed = ("--namespace", "sovereign-system", "--kube-version", "1.37.2")
    return run_helm("template", "release", str(CHART), *fixed, *options)


def of_kind(objects: list[Json], *kinds: str) -> dict[str, Json]:
    """Return the objects of some kinds, by name."""
    return {obj["metadata"]["name"]: obj for obj in objects if obj["kind"] in kinds}


IDENTITY = ("--set", "identity.enabled=true,identity.trustDomain=hospital.example.org")
ENCRYPTION = (*IDENTITY, "--set", "encryption.enabled=true")
ALL_GUARDS = (*ENCRYPTION, "--set", "reports.enabled=true")
"""What installs every guard."""


def guard_list(objects: list[Json]) -> Json:
    """Return the ConfigMap with the list of guards."""
    (listed,) = (
        obj for obj in of_kind(objects, "ConfigMap").values() if names.GUARDS_LABEL in obj["metadata"]["labels"]
    )
    return listed
