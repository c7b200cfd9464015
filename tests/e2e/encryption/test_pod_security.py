"""Pods that Pod Security allows stay allowed with a sidecar, or the refusal says what to change and why."""

from pathlib import Path

import pytest
import yaml

from hack.kubectl import Json, Kubectl
from tests.e2e.support.sidecars import dry_run, refusal, sidecar_of
from tests.e2e.support.spaces import Space

FOLDER = Path(__file__).parents[2] / "data" / "pod-security"
LEVELS = ("baseline", "restricted")

WINDOWS = "spec.os.name is windows: sidecars run on linux only"
REFUSED = {
    "base_windows": WINDOWS,
    # With all of /proc, the container could change how the kernel sends the pod's packets.
    "procmount1": "container container1 has a procMount of its own",
}
"""Pods that cannot have a sidecar, and the reason."""


def fixtures(level: str) -> dict[str, Json]:
    """Return the pods that a level allows, by file name."""
    pods = {}
    for file in sorted((FOLDER / level).glob("*.yaml")):
        pods[file.stem] = yaml.safe_load(file.read_text(encoding="utf-8"))
        # Some fixtures have names that are not valid for pods: Kubernetes never creates them.
        pods[file.stem]["metadata"]["name"] = file.stem.replace("_", "-")
    return pods


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_level_allows_gets_a_sidecar_or_a_reason(admin: Kubectl, transit: str, space: Space, level: str) -> None:
    inside, outside = space(transit), space(None)
    labels = [f"pod-security.kubernetes.io/enforce{key}" for key in (f"={level}", "-version=v1.37")]
    for namespace in (inside, outside):
        admin.run("label", "namespace", namespace, *labels)
    pods = fixtures(level)
    assert pods
    assert {name: said for name, pod in pods.items() if (said := refusal(admin, pod, outside))} == {}
    refused = {name: said for name, pod in pods.items() if (said := refusal(admin, pod, inside))}
    for name, said in refused.items():
        assert REFUSED.get(name, "nothing") in said, name
    assert refused.keys() == REFUSED.keys() & pods.keys()
    for name in pods.keys() - refused.keys():
        assert sidecar_of(dry_run(admin, pods[name], inside)), name
