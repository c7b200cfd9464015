"""An agent's report is read as it was written, and counts only for the pod, policy, rules and addresses in it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core import names
from sovereign_operator.core.encryption import node_lacks
from sovereign_operator.core.encryption.agent_report import (
    NO_SILENT_AGENTS,
    AgentReport,
    LoadedRules,
    SilentAgents,
    next_number,
    parse,
    text_of,
)
from sovereign_operator.core.encryption.node_lacks import Lack, NodeLack
from sovereign_operator.kube.objects.agent_report import report_of, see_report

SAID = LoadedRules("hds", 7, frozenset({"10.244.1.7", "fd00::7"}))
REPORT = AgentReport("lyon-1", {"uid-1": SAID})

loaded = st.builds(
    LoadedRules,
    st.sampled_from(["hds", "secnumcloud"]),
    st.integers(1, 10**18 - 1),
    st.frozensets(st.ip_addresses().map(str), max_size=3),
)


@given(st.dictionaries(st.uuids().map(str), loaded, max_size=4))
def test_it_is_read_as_it_was_written(pods: dict[str, LoadedRules]) -> None:
    assert parse(text_of(pods)) == pods
    assert see_report(report_of("sovereign-system", "lyon-1", "uid", text_of(pods))) == AgentReport("lyon-1", pods)


def test_what_the_node_lacks_is_read_with_it() -> None:
    lacks = (NodeLack(Lack.RULES, ("nft_redir",)),)
    report = report_of("sovereign-system", "lyon-1", "uid", "", node_lacks.text_of(lacks))
    assert see_report(report) == AgentReport("lyon-1", {}, lacks)


@given(st.text())
def test_nonsense_says_nothing_and_harms_nothing(text: str) -> None:
    assert all(found.rules >= 0 for found in parse(text).values())
    assert parse(f"x x {text!r} x\nuid-1 hds 7 10.244.1.7").get("uid-1") == LoadedRules(
        "hds", 7, frozenset({"10.244.1.7"})
    )


@pytest.mark.parametrize(
    ("uid", "wanted", "said"),
    [
        ("uid-1", SAID, True),
        ("uid-1", replace(SAID, addresses=frozenset({"10.244.1.7"})), True),
        ("uid-2", SAID, False),
        ("uid-1", replace(SAID, rules=8), False),
        ("uid-1", replace(SAID, rules=6), False),
        ("uid-1", replace(SAID, policy="other"), False),
        ("uid-1", replace(SAID, addresses=frozenset({"10.244.1.8"})), False),
        ("uid-1", replace(SAID, addresses=frozenset()), False),
    ],
    ids=[
        "it",
        "an address",
        "its successor",
        "newer",
        "older",
        "another policy",
        "a new sandbox",
        "no address",
    ],
)
def test_it_counts_for_nothing_else(uid: str, wanted: LoadedRules, *, said: bool) -> None:
    assert REPORT.says(uid, wanted) is said


def test_rules_without_a_number_were_never_loaded() -> None:
    none = replace(SAID, rules=0)
    assert not AgentReport("lyon-1", {"uid-1": none}).says("uid-1", none)


def test_a_report_is_one_by_its_name_and_its_node() -> None:
    report = report_of("sovereign-system", "lyon-1", "uid", "")
    report["metadata"]["name"] = "agent.lyon-2"
    assert see_report(report) is None


@pytest.mark.parametrize(("length", "name"), [(247, "agent." + "n" * 247), (248, "n" * 248), (253, "n" * 253)])
def test_the_longest_names_of_nodes_have_one_too(length: int, name: str) -> None:
    assert names.agent_report("n" * length) == name


@given(st.lists(st.booleans(), max_size=9), st.integers(0, 5))
def test_no_number_comes_twice_for_other_rules(same: list[bool], first: int) -> None:
    number, before = next_number(first, 1000.5, same=True), []
    for again in same:
        before.append(number)
        number = next_number(number, 1000.5, same=again)
        assert (number == before[-1]) is again
        assert again or number not in before


def test_who_is_silent_is_named_with_what_to_do() -> None:
    pods = (("brest-1", "shop/web-0"), *(("lyon-1", f"shop/web-{number}") for number in range(1, 13)))
    said = str(SilentAgents("sovereign-system", pods))
    assert "the agents of 2 node(s) have not reported that they loaded the rules of 13 pod(s)" in said
    assert "brest-1 (shop/web-0), lyon-1 (shop/web-1, " in said
    assert "and 2 more)" in said
    assert "kubectl -n sovereign-system get pods -o wide -l app.kubernetes.io/component=agent" in said
    assert SilentAgents("sovereign-system", pods).of(["shop/web-0"]).nodes == ("brest-1",)
    assert not NO_SILENT_AGENTS
