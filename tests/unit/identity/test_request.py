"""Which pods get a certificate, which wait for one, and which never get one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.sovereignty_policy import NodeEvidence
from sovereign_operator.core.identity.authorities import LEAF_LIFETIME, SHORTEST_LEAF
from sovereign_operator.core.identity.request import (
    CLOCK_SKEW,
    Deny,
    Issue,
    LiveNode,
    LivePod,
    Request,
    RequestFacts,
    WaitForFacts,
    decide_request,
)
from sovereign_operator.core.identity.request_reasons import Delay, Denial
from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.report.reasons import NodeFinding, NodeReason

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)
REQUEST = Request("hospital", "req-1", "r", "web", "p", "web", "s", "brest-1", "n", timedelta(hours=24))
POD = LivePod("p", "brest-1", "web", ending=False, mirror=False, mounts_signer=True)
NODE = LiveNode("n", "n", "brest")
VERDICT = NodeVerdict("brest-1", "n", "secnumcloud", "brest", "armor", NodeEvidence.DECLARED, (), ())
REFUSAL = NodeFinding(NodeReason.NOT_IN_DATACENTRE, "brest-1 is in no datacentre")
GOOD = RequestFacts(
    request=REQUEST,
    supported_key=True,
    pod=POD,
    service_account_uid="s",
    node=NODE,
    policy="secnumcloud",
    known=True,
    granted=True,
    hosted=True,
    meaningless_roles=False,
    verdict=VERDICT,
    authority_end=NOW + timedelta(days=300),
    now=NOW,
)


def test_a_pod_on_an_accepted_node_gets_one() -> None:
    issued = decide_request(GOOD)
    begin = NOW - CLOCK_SKEW
    assert issued == Issue("secnumcloud", "brest", begin, begin + LEAF_LIFETIME, begin + timedelta(hours=16))


NEVER: dict[Denial, dict[str, Any]] = {
    Denial.POD_GONE: {"pod": None},
    Denial.POD_ENDING: {"pod": replace(POD, ending=True)},
    Denial.MIRROR_POD: {"pod": replace(POD, mirror=True)},
    Denial.NOT_ON_NODE: {"pod": replace(POD, node="paris-1")},
    Denial.NOT_ITS_SERVICE_ACCOUNT: {"pod": replace(POD, service_account="default")},
    Denial.NOT_MOUNTED: {"pod": replace(POD, mounts_signer=False)},
    Denial.UNKNOWN_USER_ANNOTATION: {"request": replace(REQUEST, user_annotations=("example.org/dns",))},
    Denial.UNSUPPORTED_KEY: {"supported_key": False},
}

NOT_YET: dict[Delay, dict[str, Any]] = {
    Delay.NOT_IN_SCOPE: {"policy": None},
    Delay.UNKNOWN_POLICY: {"known": False, "hosted": False},
    Delay.NAMESPACE_NOT_TRUSTED: {"granted": False},
    Delay.MEANINGLESS_ROLES: {"meaningless_roles": True},
    Delay.SERVICE_ACCOUNT_REPLACED: {"service_account_uid": "another"},
    Delay.NOT_ITS_ADDRESS: {"request": replace(REQUEST, address="10.1.0.9")},
    Delay.NODE_REPLACED: {"node": replace(NODE, uid="another")},
    Delay.NODE_NOT_ACCEPTED: {"hosted": False},
    Delay.NODE_MARKED_WRONGLY: {"verdict": replace(VERDICT, findings=(REFUSAL,))},
    Delay.NO_AUTHORITY: {"authority_end": None},
    Delay.AUTHORITY_ENDS: {"authority_end": NOW + SHORTEST_LEAF - timedelta(seconds=1)},
}


@pytest.mark.parametrize(("reason", "wrong"), NEVER.items(), ids=NEVER.keys())
def test_what_can_never_change_is_denied(reason: Denial, wrong: dict[str, Any]) -> None:
    answered = decide_request(replace(GOOD, **wrong))
    assert isinstance(answered, Deny)
    assert answered.reason is reason


@pytest.mark.parametrize(("reason", "wrong"), NOT_YET.items(), ids=NOT_YET.keys())
def test_what_can_change_waits(reason: Delay, wrong: dict[str, Any]) -> None:
    answered = decide_request(replace(GOOD, **wrong))
    assert isinstance(answered, WaitForFacts)
    assert answered.reason is reason


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"pod": replace(POD, uid="another")}, id="the pod has another uid"),
        pytest.param({"node": None}, id="the node is gone"),
        pytest.param({"service_account_uid": None}, id="the service account is gone"),
        pytest.param({"node": replace(NODE, verified_uid="earlier")}, id="the labels are of an earlier registration"),
        pytest.param({"node": replace(NODE, datacentre="")}, id="the node stands nowhere"),
        pytest.param({"verdict": None}, id="the signer knows no such policy"),
        pytest.param(
            {"verdict": replace(VERDICT, datacentre="lyon")}, id="the node stands elsewhere than its label says"
        ),
    ],
)
def test_a_name_alone_is_nothing(wrong: dict[str, Any]) -> None:
    assert not isinstance(decide_request(replace(GOOD, **wrong)), Issue)


BY_TOKEN = replace(REQUEST, by_token=True, address="10.1.0.8")
ASKING = replace(POD, mounts_signer=False, sidecar_asks=True, addresses=("10.1.0.8", "fd00::8"))


@pytest.mark.parametrize("address", ["10.1.0.8", "fd00::8", None])
def test_a_sidecar_gets_one_by_the_token_of_its_pod(address: str | None) -> None:
    asked = replace(GOOD, request=replace(BY_TOKEN, address=address), pod=ASKING)
    assert isinstance(decide_request(asked), Issue)


@pytest.mark.parametrize(
    ("request_", "pod"),
    [
        pytest.param(BY_TOKEN, replace(ASKING, sidecar_asks=False), id="a pod without the sidecar has a token"),
        pytest.param(BY_TOKEN, replace(ASKING, sidecar_asks=False, mounts_signer=True), id="its kubelet is to ask"),
        pytest.param(replace(BY_TOKEN, by_token=False, address=None), ASKING, id="its sidecar is to ask"),
    ],
)
def test_the_pod_decides_who_asks(request_: Request, pod: LivePod) -> None:
    answered = decide_request(replace(GOOD, request=request_, pod=pod))
    assert isinstance(answered, Deny)
    assert answered.reason is Denial.NOT_MOUNTED


def test_a_sidecar_waits_until_the_address_of_its_pod_is_known() -> None:
    answered = decide_request(replace(GOOD, request=BY_TOKEN, pod=replace(ASKING, addresses=())))
    assert isinstance(answered, WaitForFacts)
    assert answered.reason is Delay.NOT_ITS_ADDRESS


def test_every_reason_has_a_case() -> None:
    assert NEVER.keys() == set(Denial)
    assert NOT_YET.keys() == set(Delay)


WRONGS = st.lists(st.sampled_from([*NEVER.values(), *NOT_YET.values()]), min_size=1, max_size=4)


@given(WRONGS)
def test_nothing_is_issued_while_anything_is_wrong(wrongs: list[dict[str, Any]]) -> None:
    facts = GOOD
    for wrong in wrongs:
        facts = replace(facts, **wrong)
    answered = decide_request(facts)
    assert not isinstance(answered, Issue)
    # The kubelet uses it as a format string.
    assert "%" not in answered.reason.value + answered.message
    assert answered.message.isprintable()


@given(
    st.integers(0, 2_000_000_000).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    st.integers(3600, 91 * 86400).map(lambda seconds: timedelta(seconds=seconds)),
    st.timedeltas(min_value=SHORTEST_LEAF, max_value=timedelta(days=400)),
)
def test_what_is_issued_is_what_the_api_server_takes(now: datetime, longest: timedelta, left: timedelta) -> None:
    end = (now + left).replace(microsecond=0) + timedelta(seconds=1)
    facts = replace(GOOD, now=now, request=replace(REQUEST, longest=longest), authority_end=end)
    issued = decide_request(facts)
    assert isinstance(issued, Issue)
    assert abs(issued.not_before - now) < timedelta(minutes=5)
    lifetime = issued.not_after - issued.not_before
    assert SHORTEST_LEAF <= lifetime <= min(longest, LEAF_LIFETIME)
    assert issued.not_after <= end
    assert issued.not_before + timedelta(minutes=10) <= issued.refresh_at <= issued.not_after - timedelta(minutes=10)
    assert {moment.microsecond for moment in (issued.not_before, issued.not_after, issued.refresh_at)} == {0}
