"""How far a policy's encryption has come, computed from what is observed of its pods."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption.agent_report import NO_SILENT_AGENTS, SilentAgents
from sovereign_operator.core.encryption.progress import concerns_workloads, is_awaited, progress
from sovereign_operator.core.encryption.rollout import ObservedEncryption, PodTraffic, Step, StepFacts

OFF, PERMISSIVE, PREFERRED, STRICT = EncryptionMode
NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)
READY = PodTraffic("shop/web", ("10.244.1.7",), sidecar=True, loaded="v2", answered=True)
OTHER = replace(READY, name="shop/api")
ARRIVED = Step(STRICT, ())
SILENT = SilentAgents("sovereign-system", (("lyon-1", "shop/web"),))


def seen_of(*pods: PodTraffic, step: Step = ARRIVED, silence: SilentAgents = NO_SILENT_AGENTS) -> ObservedEncryption:
    """Return how far a policy that asks for Strict has come, with version v2 of its transit config."""
    wanted = EncryptionInTransit.model_validate({"mode": "Strict", "clusterNetworks": ["10.244.0.0/16"]})
    facts = StepFacts(wanted, PREFERRED, "v1", NOW, pods, NOW)
    return progress(facts, step, version="v2", silence=silence, static=())


# A second pod beside a ready one, and the expected differences.
CASES: dict[str, tuple[PodTraffic, dict[str, Any]]] = {
    "ready": (OTHER, {}),
    "without a sidecar": (replace(OTHER, sidecar=False, loaded=""), {"sidecars": 1, "loaded": 1}),
    "it has loaded the former settings": (replace(OTHER, loaded="v1"), {"loaded": 1}),
    "past its sidecar": (replace(OTHER, bypass="app"), {"bypassed": ("shop/api",)}),
    "not trusted": (replace(OTHER, untrusted=True), {"untrusted": ("shop/api",)}),
    "with open plaintext": (replace(OTHER, plain_open=2), {"talking": ("shop/api",)}),
    "full": (replace(OTHER, refused_seen=NOW - timedelta(minutes=9)), {"refusing": ("shop/api",)}),
    "full eleven minutes ago": (replace(OTHER, refused_seen=NOW - timedelta(minutes=11)), {}),
    "outside of the cluster's networks": (replace(OTHER, addresses=("192.0.2.7",)), {"beyond": ("shop/api",)}),
    "closed by a NetworkPolicy": (
        replace(OTHER, loaded="", closed_by="NetworkPolicy x"),
        {"loaded": 1, "closed": ("shop/api (NetworkPolicy x)",)},
    ),
    "cut off by a NetworkPolicy": (
        replace(OTHER, loaded="", cut_off_by="NetworkPolicy x"),
        {"loaded": 1, "cut_off": ("shop/api (NetworkPolicy x)",)},
    ),
    "closed by a NetworkPolicy that came later": (replace(OTHER, closed_by="NetworkPolicy x"), {}),
    "called by the API server": (
        replace(OTHER, called="port 8443, called for APIService x"),
        {"called": ("shop/api (port 8443, called for APIService x)",)},
    ),
    "claimed by a Service": (replace(OTHER, claimant="lab/evil"), {"claimed": ("shop/api (Service lab/evil)",)}),
}


@pytest.mark.parametrize(("pod", "besides"), CASES.values(), ids=CASES)
def test_what_is_seen_of_a_pod(pod: PodTraffic, besides: dict[str, Any]) -> None:
    usual = ObservedEncryption(Step(STRICT, ()), STRICT, pods=2, sidecars=2, loaded=2)
    assert seen_of(READY, pod) == seen_of(pod, READY) == replace(usual, **besides)


@pytest.mark.parametrize("mode", [OFF, PERMISSIVE, PREFERRED])
def test_open_plaintext_is_wrong_in_strict_alone(mode: EncryptionMode) -> None:
    assert seen_of(replace(READY, plain_open=1), step=Step(mode, ())).talking == ()


def test_all_are_named_in_order() -> None:
    found = seen_of(replace(READY, bypass="app"), replace(OTHER, bypass="app"))
    assert found.bypassed == ("shop/api", "shop/web")
    facts = StepFacts(EncryptionInTransit.model_validate({"mode": "Off"}), OFF, "", NOW, (), NOW)
    static = progress(facts, Step(OFF, ()), version="v2", silence=SILENT, static=("b on x", "a on x"))
    assert (static.static, static.silence, static.pods) == (("a on x", "b on x"), SILENT, 0)


@pytest.mark.parametrize(
    ("before", "after", "concerned"),
    [
        (None, seen_of(READY), True),
        (seen_of(READY), seen_of(replace(READY, plain_open=1)), True),
        (seen_of(READY), seen_of(replace(READY, refused_seen=NOW)), False),
        (seen_of(replace(READY, refused_seen=NOW)), seen_of(READY), False),
    ],
)
def test_workloads_are_looked_at_again_unless_only_sidecars_refuse_connections(
    before: ObservedEncryption | None, after: ObservedEncryption, *, concerned: bool
) -> None:
    """Thousands may begin and cease to refuse, one after another, and each time all workloads would be looked at."""
    assert concerns_workloads(before, after) is concerned


AWAITED: dict[str, tuple[ObservedEncryption, bool]] = {
    "all is as it should be": (seen_of(READY), False),
    "no pods": (seen_of(), False),
    "a step waits": (seen_of(READY, step=Step(PREFERRED, ("pods load Strict",))), True),
    "a pod has not loaded it": (seen_of(READY, replace(OTHER, loaded="v1")), True),
    "a pod has no sidecar": (seen_of(READY, replace(OTHER, sidecar=False, loaded="")), True),
    "open plaintext": (seen_of(replace(READY, plain_open=1)), True),
    "a pod that refuses connections": (seen_of(replace(READY, refused_seen=NOW)), False),
    "a pod past its sidecar, of which that says nothing": (seen_of(replace(READY, bypass="app")), False),
    "silent agents, of whom that says nothing": (seen_of(READY, silence=SILENT), False),
}


@pytest.mark.parametrize(("seen", "awaited"), AWAITED.values(), ids=AWAITED)
def test_sidecars_are_asked_often_while_something_is_awaited_of_them(
    seen: ObservedEncryption, *, awaited: bool
) -> None:
    assert is_awaited(seen) is awaited
