"""Whether admission would refuse a pod that does not exist yet."""

from dataclasses import replace
from typing import Any

import pytest

from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.requests import requests_of
from sovereign_operator.core.workload.refusal import Hold, admit

SIDECAR = {"requests": {"cpu": "20m"}}
HOLD = Hold("demo", enforced=True, known=True, accepts=lambda node: node == "good")
ENCRYPTS = replace(HOLD, encrypts=True, settings=replace(HOLD.settings, resources=SIDECAR))


def pod(labels: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """Return a pod template."""
    return {"metadata": {"labels": labels or {}}, "spec": {"containers": [{"name": "app"}], **fields}}


@pytest.mark.parametrize(
    ("made", "hold", "words"),
    [
        (pod(), HOLD, ""),
        (pod({names.POLICY_LABEL: "demo"}), HOLD, ""),
        (pod({names.POLICY_LABEL: "other"}), HOLD, "two policies"),
        (pod({names.POLICY_LABEL: "demo"}), replace(HOLD, enforced=False), ""),
        (pod(), replace(HOLD, known=False), "there is no SovereigntyPolicy demo"),
        (pod(nodeName="good"), HOLD, ""),
        (pod(nodeName="bad"), HOLD, "spec.nodeName names node bad"),
        (pod(hostNetwork=True), HOLD, ""),
        (pod(hostNetwork=True), ENCRYPTS, "spec.hostNetwork"),
        (pod(hostPID=True), ENCRYPTS, "spec.hostPID"),
        (pod(os={"name": "windows"}), ENCRYPTS, "sidecars run on linux only"),
        (pod(), replace(ENCRYPTS, granted=False), "gives no certificates"),
        (pod(), replace(HOLD, granted=False), ""),
        (pod(), ENCRYPTS, ""),
    ],
)
def test_which_pods_are_refused(made: dict[str, Any], hold: Hold, words: str) -> None:
    refused = admit(made, hold).refused
    assert words in refused
    assert bool(words) is bool(refused)


def test_a_sidecar_takes_room() -> None:
    assert requests_of(admit(pod(), HOLD).spec) == {}
    assert set(requests_of(admit(pod(), ENCRYPTS).spec)) == {"cpu"}
