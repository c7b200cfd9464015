"""What in a pod goes past its sidecar, as the guard has it, too."""

import re
from typing import Any

import pytest

from sovereign_operator.core.sidecar.bypass import CAPABILITIES, DEBUGGED, SYSCTL, goes_past_sidecar
from tests.documents import ROOT


def spec(security: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the spec of a pod with one container."""
    return {"containers": [{"name": "app", "securityContext": security}], **fields}


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (spec(), ""),
        (spec({"runAsUser": 1000, "capabilities": {"add": ["CHOWN"]}}), ""),
        (spec({"runAsUser": 65533}), "container app runs as the user of the sidecar"),
        (spec({"privileged": True}), "container app is privileged"),
        (spec({"procMount": "Unmasked"}), "procMount"),
        (spec({"capabilities": {"add": ["cap_net_admin"]}}), "container app adds cap_net_admin, with which it could"),
        (spec({"capabilities": {"add": ["NET_ADM\u0131N"]}}), "container app adds NET_ADM\u0131N, with which it could"),
        (spec({"capabilities": {"add": ["\u017fys_admin"]}}), "container app adds \u017fys_admin, with which it could"),
        (spec({"capabilities": {"add": ["\u212aILL"]}}), "container app adds \u212aILL, with which it could"),
        (spec(hostPID=True), "spec.hostPID is true"),
        (spec(shareProcessNamespace=True), "spec.shareProcessNamespace is true"),
        (spec(securityContext={"runAsUser": 65533}), "spec.securityContext.runAsUser"),
        (spec(securityContext={"sysctls": [{"name": "net/ipv4/tcp_syncookies"}]}), "bypass the sidecar"),
        (spec(initContainers=[{"name": "first", "securityContext": {"privileged": True}}]), "container first"),
        (spec(initContainers=[{"name": "sovereignty-sidecar", "securityContext": {"runAsUser": 65533}}]), ""),
        (
            {"containers": [{"name": "app", "volumeMounts": [{"name": "sovereignty-identity"}]}]},
            "mounts a volume of the sidecar",
        ),
    ],
)
def test_what_goes_past_a_sidecar(pod: dict[str, Any], words: str) -> None:
    assert words in goes_past_sidecar(pod)
    assert bool(words) is bool(goes_past_sidecar(pod))


def test_the_guard_has_the_same_capabilities_and_setting() -> None:
    helpers = (ROOT / "charts" / "sovereign-operator" / "templates" / "_admission.tpl").read_text(encoding="utf-8")
    rule = helpers.partition('define "sovereign-operator.pastSidecar"')[2].partition("end }}")[0]
    assert {word for word in re.findall(r"'([A-Z_]+)'", rule) if word != "CAP_"} == CAPABILITIES
    guard = (ROOT / "charts" / "sovereign-operator" / "templates" / "admission" / "guard-sidecars.yaml").read_text(
        encoding="utf-8"
    )
    assert f"== '{SYSCTL}'" in guard
    assert f"'spec.shareProcessNamespace is true{DEBUGGED}'" in guard
