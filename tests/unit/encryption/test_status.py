from dataclasses import replace
from typing import Literal

import pytest

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption.agent_report import SilentAgents
from sovereign_operator.core.encryption.rollout import ObservedEncryption, Step
from sovereign_operator.core.encryption.status import report_encryption

OFF, PERMISSIVE, PREFERRED, STRICT = EncryptionMode
SILENT = SilentAgents("sovereign-system", (("lyon-1", "shop/web-0"),))


def seen(mode: EncryptionMode, *waits_for: str, loaded: int = 3, wanted: EncryptionMode = STRICT) -> ObservedEncryption:
    return ObservedEncryption(Step(mode, waits_for), wanted, 3, 3, loaded)


@pytest.mark.parametrize(
    ("found", "status", "reason", "said"),
    [
        (None, "False", "EncryptionNotInstalled", "encryption.enabled=true"),
        (seen(OFF, wanted=OFF), "False", "NotEncrypted", "the mode is Off"),
        (seen(PREFERRED, wanted=PREFERRED), "False", "PlaintextAccepted", "3 of them have loaded Preferred"),
        (seen(PREFERRED, "1 pod(s) listen"), "False", "StepPending", "Preferred on the way to Strict: 1 pod(s)"),
        (seen(STRICT), "True", "AllEncrypted", "3 pod(s) run, 3 with a sidecar"),
        (seen(STRICT, loaded=2), "False", "StepPending", "2 of them have loaded Strict"),
        (replace(seen(STRICT), refusing=("shop/web-0",)), "True", "AllEncrypted", "memory takes: shop/web-0: raise"),
        (
            replace(seen(PREFERRED, "1 pod(s) listen"), refusing=("shop/web-0",)),
            "False",
            "StepPending",
            "sidecars refused connections in the last 10 minutes",
        ),
        (replace(seen(STRICT), sidecars=2), "False", "PodsWithoutSidecar", "3 pod(s) run, 2 with a sidecar"),
        (
            replace(seen(STRICT), untrusted=("shop/web-0",)),
            "False",
            "CertificatesNotTrusted",
            "to shop/web-0, as",
        ),
        (
            replace(seen(PREFERRED, wanted=PREFERRED), untrusted=("shop/web-0",)),
            "False",
            "CertificatesNotTrusted",
            "roll them out again where their nodes are accepted",
        ),
        (
            replace(seen(PERMISSIVE, wanted=PERMISSIVE), untrusted=("shop/web-0",)),
            "False",
            "PlaintextAccepted",
            "plaintext is accepted",
        ),
        (
            replace(seen(STRICT), silence=SILENT),
            "False",
            "AgentsSilent",
            "UDP may leave in plaintext, as the agents of",
        ),
        (replace(seen(STRICT, loaded=2), silence=SILENT), "False", "AgentsSilent", "lyon-1 (shop/web-0)"),
        (
            replace(seen(PREFERRED, wanted=PREFERRED), silence=SILENT),
            "False",
            "PlaintextAccepted",
            "plaintext is accepted",
        ),
        (
            replace(seen(STRICT, loaded=2), talking=("shop/web-0",)),
            "False",
            "PlaintextOpen",
            "plaintext connections that Strict forbids are open in shop/web-0",
        ),
        (
            replace(seen(STRICT, loaded=2), claimed=("shop/web-0 (Service b/ext)",), talking=("shop/web-0",)),
            "False",
            "AddressClaimed",
            "other pods may answer for the sidecars of shop/web-0 (Service b/ext), because Services claim",
        ),
        (
            replace(seen(STRICT, loaded=2), closed=("shop/web-0 (NetworkPolicy x)",)),
            "False",
            "StepPending",
            "it is not known what shop/web-0 (NetworkPolicy x) have loaded, because NetworkPolicies do not",
        ),
        (
            replace(seen(STRICT, loaded=2), cut_off=("shop/web-0 (NetworkPolicy x)",)),
            "False",
            "StepPending",
            "shop/web-0 (NetworkPolicy x) wait for their certificates, because NetworkPolicies admit no connection to",
        ),
        (
            replace(seen(PERMISSIVE, wanted=PERMISSIVE, loaded=2), cut_off=("shop/web-0 (NetworkPolicy x)",)),
            "False",
            "PlaintextAccepted",
            "; shop/web-0 (NetworkPolicy x) wait for their certificates",
        ),
        (
            replace(seen(STRICT), called=("shop/web-0 (port 8443, called for APIService x)",)),
            "True",
            "AllEncrypted",
            "; the API server has no certificate, and cannot call shop/web-0 (port 8443, called for APIService x)",
        ),
        (replace(seen(STRICT), beyond=("shop/web-0",)), "False", "NetworksMissing", "to shop/web-0, as they have"),
        (replace(seen(STRICT), bypassed=("shop/web-0",)), "False", "SidecarBypassed", "a container in shop/web-0"),
    ],
)
def test_it_says_how_far_it_has_come(
    found: ObservedEncryption | None, status: Literal["True", "False"], reason: str, said: str
) -> None:
    report = report_encryption(EncryptionInTransit(mode=STRICT, cluster_networks=("10.0.0.0/8",)), found)
    (observed,) = report.observations
    assert (observed.type, observed.status, observed.reason.value) == ("Encrypted", status, reason)
    assert said in observed.message
    assert ("encryption" in report.status) is (found is not None)


def test_who_asks_for_nothing_is_told_nothing() -> None:
    assert report_encryption(None, None).observations == ()
