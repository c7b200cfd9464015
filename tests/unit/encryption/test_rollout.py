from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption.agent_report import NO_SILENT_AGENTS, SilentAgents
from sovereign_operator.core.encryption.rollout import (
    LADDER,
    ObservedEncryption,
    PodTraffic,
    Step,
    StepFacts,
    needs_sidecar,
    next_step,
)

OFF, PERMISSIVE, PREFERRED, STRICT = LADDER
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
READY = PodTraffic("shop/web-0", ("10.244.1.7",), sidecar=True, loaded="v1", answered=True)


SILENT = SilentAgents("sovereign-system", (("lyon-1", "shop/web-0"),))


def facts(current: EncryptionMode, wanted: EncryptionMode, *pods: PodTraffic, **fields: Any) -> StepFacts:
    """Return facts about pods. On the way from Preferred to Strict, the rules of Strict are already written."""
    spec = EncryptionInTransit.model_validate({"mode": wanted, "clusterNetworks": ["10.244.0.0/16"], **fields})
    return StepFacts(spec, current, "v1", NOW - timedelta(days=1), pods, NOW, ahead=current is PREFERRED)


@pytest.mark.parametrize("current", LADDER)
@pytest.mark.parametrize("wanted", LADDER)
def test_each_step_goes_to_a_neighbour(current: EncryptionMode, wanted: EncryptionMode) -> None:
    step = next_step(facts(current, wanted, READY))
    here, there, gone = (LADDER.index(mode) for mode in (current, wanted, step.mode))
    assert gone - here == (there > here) - (there < here)
    assert bool(step.waits_for) is (step.mode is not wanted)


WAITS = {
    "not loaded": (PERMISSIVE, PREFERRED, replace(READY, loaded="v0"), "have not loaded Permissive"),
    "said nothing yet": (PREFERRED, STRICT, replace(READY, loaded=""), "have not loaded Preferred"),
    "somebody else may answer": (
        PREFERRED,
        STRICT,
        replace(READY, loaded="", claimant="tenant-b/ext"),
        "Services claim their addresses",
    ),
    "somebody else may answer, on the way down": (
        STRICT,
        OFF,
        replace(READY, loaded="", claimant="tenant-b/ext"),
        "Services claim their addresses",
    ),
    "not loaded, on the way down": (STRICT, OFF, replace(READY, loaded="v0"), "have not loaded Strict"),
    "closed by a NetworkPolicy": (
        PERMISSIVE,
        PREFERRED,
        replace(READY, loaded="", closed_by="NetworkPolicy default-deny"),
        "do not admit the controller to TCP port 15022: add one that does",
    ),
    "cut off from the signers": (
        PERMISSIVE,
        PREFERRED,
        replace(READY, loaded="", cut_off_by="NetworkPolicy default-deny"),
        "admit no connection to TCP port 8443 of the signers: add one that does",
    ),
    "called by the API server": (
        PREFERRED,
        STRICT,
        replace(READY, called="port 8443, called for APIService v1.x"),
        "are called by the API server, which has no certificate: name the ports in plainPorts, or the addresses of",
    ),
    "no sidecar": (PERMISSIVE, PREFERRED, replace(READY, sidecar=False), "run without a sidecar"),
    "no sidecar, before Strict": (PREFERRED, STRICT, replace(READY, sidecar=False), "run without a sidecar"),
    "past the sidecar": (PERMISSIVE, PREFERRED, replace(READY, bypass="app"), "that bypasses the sidecar because"),
    "elsewhere": (PERMISSIVE, PREFERRED, replace(READY, addresses=("10.9.0.1",)), "outside of clusterNetworks"),
    "IPv6 in none": (PERMISSIVE, PREFERRED, replace(READY, addresses=("fd00::1",)), "outside of clusterNetworks"),
    "one of two elsewhere": (
        PERMISSIVE,
        PREFERRED,
        replace(READY, addresses=("10.244.1.7", "fd00::1")),
        "outside of clusterNetworks",
    ),
    "no answer since the mode changed": (
        PREFERRED,
        STRICT,
        replace(READY, answered=False),
        "have not reported yet whether they take plaintext",
    ),
    "open": (PREFERRED, STRICT, replace(READY, plain_open=1), "open plaintext connections"),
    "plaintext was seen": (PREFERRED, STRICT, replace(READY, plain_seen=NOW - timedelta(minutes=59)), "took plaintext"),
}


@pytest.mark.parametrize(("current", "wanted", "pod", "said"), WAITS.values(), ids=WAITS.keys())
def test_it_waits_and_says_for_whom_and_what_to_do(
    current: EncryptionMode, wanted: EncryptionMode, pod: PodTraffic, said: str
) -> None:
    step = next_step(facts(current, wanted, READY, pod))
    assert step.mode is current
    (sentence,) = step.waits_for
    assert said in sentence
    assert sentence.startswith("1 pod(s)")
    why = pod.bypass or pod.closed_by or pod.cut_off_by or pod.called or f"Service {pod.claimant}"
    named = sentence.removesuffix(f" ({why})")
    assert named.endswith("shop/web-0")


@pytest.mark.parametrize("current", [OFF, PERMISSIVE, STRICT])
def test_calls_of_the_api_server_hold_up_strict_alone(current: EncryptionMode) -> None:
    called = replace(READY, called="port 8443, called for APIService v1.x")
    assert next_step(facts(current, STRICT, called)) == next_step(facts(current, STRICT, READY))


def test_a_wall_in_both_directions_is_named_for_both() -> None:
    walled = replace(READY, loaded="", closed_by="NetworkPolicy x", cut_off_by="NetworkPolicy x")
    polled, asks = next_step(facts(PERMISSIVE, PREFERRED, walled)).waits_for
    assert "TCP port 15022" in polled
    assert "TCP port 8443" in asks


def test_a_wall_around_a_sidecar_that_has_answered_is_no_news() -> None:
    assert next_step(facts(PERMISSIVE, PREFERRED, replace(READY, closed_by="NetworkPolicy x"))).mode is PREFERRED


@pytest.mark.parametrize("seconds", [0, 3599])
def test_who_has_not_watched_for_long_does_not_know_that_it_is_quiet(seconds: int) -> None:
    watched = replace(facts(PREFERRED, STRICT, READY), watched_since=NOW - timedelta(seconds=seconds))
    step = next_step(watched)
    assert step.mode is PREFERRED
    assert f"watched for {3600 - seconds} s more" in step.waits_for[0]


def test_plaintext_long_ago_is_forgotten() -> None:
    past = replace(READY, plain_seen=NOW - timedelta(hours=1))
    assert next_step(facts(PREFERRED, STRICT, past)).mode is STRICT


def test_a_step_that_is_forced_waits_for_nothing_up_to_where_it_is_forced() -> None:
    late = replace(READY, sidecar=False)
    forced = {"forced": {"to": "Preferred", "reason": "an incident"}}
    assert next_step(facts(PERMISSIVE, STRICT, late, **forced)).mode is PREFERRED
    assert next_step(facts(PREFERRED, STRICT, late, **forced)).mode is PREFERRED


@pytest.mark.parametrize("wanted", LADDER)
def test_where_no_pod_has_a_sidecar_it_says_who_has_to_be_rolled_out(wanted: EncryptionMode) -> None:
    step = next_step(replace(facts(OFF, wanted, replace(READY, sidecar=False)), version=""))
    assert any("run without a sidecar" in sentence for sentence in step.waits_for) is (wanted in (PREFERRED, STRICT))


@pytest.mark.parametrize("wanted", LADDER)
def test_where_nothing_runs_yet_nothing_is_waited_for(wanted: EncryptionMode) -> None:
    waiting = replace(READY, loaded="")
    assert next_step(replace(facts(OFF, wanted, waiting), version="")).mode is wanted
    assert next_step(replace(facts(OFF, wanted, waiting, replace(READY, sidecar=False)), version="")).mode in (
        OFF,
        PERMISSIVE,
    )


@pytest.mark.parametrize(("address", "waits"), [("10.96.0.1", True), ("fd00::1", True), ("10.244.0.1", False)])
def test_it_waits_where_services_are_in_no_network(address: str, *, waits: bool) -> None:
    step = next_step(replace(facts(PERMISSIVE, PREFERRED, READY), services=(ip_network(address),)))
    assert step.mode is (PERMISSIVE if waits else PREFERRED)
    assert (
        any(f"Services have addresses outside of clusterNetworks, {address}" in said for said in step.waits_for)
        is waits
    )


@pytest.mark.parametrize("current", LADDER)
def test_where_no_dns_is_found_it_waits_before_anybody_could_miss_it(current: EncryptionMode) -> None:
    unknown = replace(facts(current, STRICT, READY), missing_dns="kube-system/kube-dns")
    step = next_step(unknown)
    assert step.mode is {OFF: PERMISSIVE, STRICT: STRICT}.get(current, current)
    assert any("no Service kube-system/kube-dns" in said for said in step.waits_for) is (
        current in (PERMISSIVE, PREFERRED)
    )
    # A new policy does not start in Strict either.
    assert next_step(replace(unknown, current=OFF, version="")).mode is PERMISSIVE


LAST_STEP = {
    # Rules of Strict written, silent agents, open plaintext: the mode, whether Strict's rules are written ahead, and
    # how many reasons to wait.
    (False, False, False): (PREFERRED, True, 1),
    (False, True, False): (PREFERRED, False, 1),
    (False, False, True): (PREFERRED, False, 1),
    (False, True, True): (PREFERRED, False, 2),
    (True, False, False): (STRICT, False, 0),
    (True, True, False): (PREFERRED, True, 1),
    (True, False, True): (PREFERRED, True, 1),
    (True, True, True): (PREFERRED, True, 2),
}


@pytest.mark.parametrize(("found", "expected"), LAST_STEP.items())
def test_strict_comes_once_all_agents_have_loaded_its_rules(
    found: tuple[bool, bool, bool], expected: tuple[EncryptionMode, bool, int]
) -> None:
    ahead, silent, talking = found
    known = facts(PREFERRED, STRICT, replace(READY, plain_open=int(talking)))
    step = next_step(replace(known, ahead=ahead, silence=SILENT if silent else NO_SILENT_AGENTS))
    assert (step.mode, step.ahead, len(step.waits_for)) == expected
    assert step.rules is (STRICT if ahead or step.ahead else PREFERRED)
    assert any("lyon-1 (shop/web-0)" in sentence for sentence in step.waits_for) is silent


@pytest.mark.parametrize("wanted", LADDER)
@pytest.mark.parametrize("current", LADDER)
def test_no_other_step_waits_for_agents(current: EncryptionMode, wanted: EncryptionMode) -> None:
    known = replace(facts(current, wanted, READY), ahead=False)
    if (current, wanted) != (PREFERRED, STRICT):
        assert next_step(replace(known, silence=SILENT)) == next_step(known)
        assert not next_step(known).ahead


def test_a_step_that_is_forced_does_not_wait_for_agents() -> None:
    forced = {"forced": {"to": "Strict", "reason": "an incident"}}
    known = replace(facts(PREFERRED, STRICT, READY, **forced), ahead=False, silence=SILENT)
    assert next_step(known) == Step(STRICT, ())


pods = st.builds(
    PodTraffic,
    name=st.just("shop/web-0"),
    addresses=st.sampled_from([("10.244.0.1",), ("10.9.9.9",), ("10.244.0.1", "fd00::1")]),
    sidecar=st.booleans(),
    loaded=st.sampled_from(["", "v0", "v1"]),
    plain_open=st.integers(0, 2),
    plain_seen=st.one_of(st.none(), st.just(NOW)),
)


@given(st.sampled_from(LADDER), st.lists(pods, max_size=3), st.booleans(), st.sampled_from([SILENT, NO_SILENT_AGENTS]))
def test_strict_is_never_reached_while_anybody_would_be_cut_off(
    current: EncryptionMode, found: list[PodTraffic], ahead: bool, silence: SilentAgents
) -> None:
    if current is STRICT:
        return
    known = replace(facts(current, STRICT, *found), ahead=ahead and current is PREFERRED, silence=silence)
    step = next_step(known)
    if step.mode is STRICT:
        assert known.ahead
        assert not silence
        assert current is PREFERRED
        assert all(pod.sidecar and pod.loaded == "v1" and not pod.plain_open for pod in found)


def test_sidecars_are_asked_until_off_is_wanted_and_reached() -> None:
    for wanted in EncryptionMode:
        for mode in EncryptionMode:
            seen = ObservedEncryption(Step(mode, ()), wanted, 0, 0, 0)
            assert seen.needs_sidecar is ((wanted, mode) != (EncryptionMode.OFF, EncryptionMode.OFF))


@pytest.mark.parametrize("wanted", [None, *EncryptionMode])
@pytest.mark.parametrize("told", [None, *EncryptionMode])
def test_pods_need_a_sidecar_until_off_is_wanted_and_was_reached(
    wanted: EncryptionMode | None, told: EncryptionMode | None
) -> None:
    nothing = (None, EncryptionMode.OFF)
    assert needs_sidecar(wanted, told) is (wanted not in nothing or told not in nothing)
