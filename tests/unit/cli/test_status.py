"""How it stands: rows follow from what the core reports, and findings are what somebody has to look at."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given

from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.answers.estate import Kept
from sovereign_operator.cli.answers.status import CountedPod, Status, StatusSeen, report_status
from sovereign_operator.cli.answers.status_rows import WorkloadRow
from sovereign_operator.cli.gather.namespaces import judging_namespaces, tried_policies
from sovereign_operator.cli.show.blocks import render
from sovereign_operator.cli.show.overviews import show_status
from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.status import report_policy
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.scope import Judge, Mode
from tests import builders
from tests.builders import NOW
from tests.strategies import facts
from tests.unit.cli.clusters import ALL, FACTS, POLICY, blind, estate

PODS = (
    CountedPod("hospital", POLICY, "brest-1", name="records-1"),
    CountedPod("hospital", POLICY, "paris-1", name="records-3"),
    CountedPod("hospital", POLICY, None, name="records-0"),
    CountedPod("hospital", POLICY, "gone", name="records-2"),
    CountedPod("elsewhere", POLICY, "lyon-1"),
    CountedPod("elsewhere", POLICY, "lyon-1", unreadable=True),
)
ROW = WorkloadRow("hospital", "records", "Deployment/records", POLICY, 1, 1, 0, 0, "True", "AllInside", "all inside")
SEEN = StatusSeen({"hospital": POLICY}, (), (ROW,), {})


def report(seen: StatusSeen = SEEN, **fields: Any) -> Status:
    return report_status(seen, fields.pop("found", None) or estate(**fields), NOW)


def test_where_all_is_well_nothing_is_found() -> None:
    quiet = replace(FACTS, datacentres={"brest": FACTS.datacentres["brest"]})
    answer = report(found=estate(quiet))
    assert (answer.findings, answer.exit_code) == ((), 0)
    (policy,) = answer.policies or ()
    assert (policy.ready, policy.datacentres, policy.nodes, policy.used_by) == ("True", "1 of 1", 2, 1)
    assert (policy.next_end, policy.days) == (date(2031, 6, 15), 365)
    (place,) = answer.datacentres or ()
    assert (place.ready, place.nodes, place.accepted_by, place.days) == ("True", 2, POLICY, 365)


def test_pods_are_counted_by_where_the_core_says_that_they_are() -> None:
    answer = report(replace(SEEN, pods=PODS))
    rows = {row.namespace: row for row in answer.namespaces or ()}
    counts = {name: (row.pods, row.inside, row.outside, row.pending, row.unknown) for name, row in rows.items()}
    assert counts == {"hospital": (4, 1, 2, 1, 0), "elsewhere": (2, 1, 1, 0, 0)}
    assert [text for text in answer.findings if text.startswith("namespace")] == [
        "namespace elsewhere: 1 pod outside, 0 pending: kubectl sovereign report -n elsewhere",
        "namespace hospital: 2 pods outside (records-2 and 1 more), 1 pending: kubectl sovereign report -n hospital",
    ]


def test_a_refusal_that_no_controller_has_carried_out_is_found() -> None:
    host = names.node_host_label(POLICY)
    found = estate()
    for name, labelled in (("brest-1", True), ("paris-1", True), ("lyon-1", False)):
        seen = found.nodes[name]
        labels = {**seen.traits.labels, **({host: names.ACCEPTED} if labelled else {})}
        nodes = {**found.nodes, name: replace(seen, traits=replace(seen.traits, labels=labels))}
        found = replace(found, nodes=nodes)
    (finding,) = report(found=found).not_carried_out
    assert finding.startswith("policy secnumcloud refuses paris-1, and its pods may start there until the controller")
    assert finding in report(found=found).findings
    assert not report(found=estate()).not_carried_out
    assert not report(found=blind()).not_carried_out


def test_what_is_only_tried_is_a_row_and_no_finding() -> None:
    pods = (
        CountedPod("ward", POLICY, "brest-1", Mode.WARN),
        CountedPod("ward", POLICY, "paris-1", Mode.WARN),
        CountedPod("ward", "nowhere", "brest-1", Mode.AUDIT),
        CountedPod("ward", POLICY, "lyon-1"),
    )
    tried = (
        ("ward", Judge(POLICY, Mode.WARN)),
        ("ward", Judge("nowhere", Mode.AUDIT)),
        ("new", Judge(POLICY, Mode.WARN)),
    )
    quiet = estate(replace(FACTS, datacentres={"brest": FACTS.datacentres["brest"]}))
    answer = report(StatusSeen({}, pods, (), {}, tried=tried), found=quiet)
    assert [
        (row.namespace, row.mode, row.policy, row.known, row.pods, row.inside, row.outside)
        for row in answer.namespaces or ()
    ] == [
        ("new", "warn", POLICY, True, 0, 0, 0),
        ("ward", "enforce", POLICY, True, 1, 1, 0),
        ("ward", "warn", POLICY, True, 2, 1, 1),
        ("ward", "audit", "nowhere", False, 1, 0, 1),
    ]
    (policy,) = answer.policies or ()
    assert (policy.used_by, policy.tried_by) == (0, 2)
    assert (answer.findings, answer.exit_code) == ((), 0)


def test_the_labels_of_namespaces_say_what_is_tried_and_where_pods_are_judged() -> None:
    labels = {
        "held": {names.ENFORCE_LABEL: "a", names.WARN_LABEL: "a", names.AUDIT_LABEL: "b"},
        "tries": {names.WARN_LABEL: "b"},
        "empty": {names.AUDIT_LABEL: ""},
        "free": {},
        "kube-system": {names.WARN_LABEL: "a"},
    }
    assert tried_policies(labels, {"kube-system"}) == (
        ("held", Judge("b", Mode.AUDIT)),
        ("tries", Judge("b", Mode.WARN)),
    )
    assert judging_namespaces(labels, {"kube-system"}) == ("held", "tries", "empty")


def test_who_may_not_judge_nodes_counts_what_the_operator_recorded() -> None:
    pods = (
        CountedPod("hospital", POLICY, "a", recorded="accepted: brest"),
        CountedPod("hospital", POLICY, "b", recorded="refused: paris: no"),
        CountedPod("hospital", POLICY, "c"),
        CountedPod("hospital", POLICY, None),
    )
    (row,) = report(replace(SEEN, pods=pods), found=blind()).namespaces or ()
    assert (row.pods, row.inside, row.outside, row.pending, row.unknown) == (4, 1, 1, 1, 1)


def test_a_policy_that_nobody_uses_may_be_without_a_node() -> None:
    policies = {"strict": builders.policy(builders.demand("C5"))}
    unused = report(replace(SEEN, namespaces={}), found=estate(replace(FACTS, policies=policies)))
    assert not [text for text in unused.findings if "strict" in text]
    used = report(replace(SEEN, namespaces={"ward": "strict"}), found=estate(replace(FACTS, policies=policies)))
    assert [text for text in used.findings if text.startswith("policy strict: no datacentre is accepted")]


@pytest.mark.parametrize(
    ("policy", "words"), [("nowhere", "there is no policy nowhere"), ("", "its label sovereignty.dev/enforce is empty")]
)
def test_a_namespace_whose_label_names_no_policy_is_a_finding(policy: str, words: str) -> None:
    answer = report(replace(SEEN, namespaces={"ward": policy}))
    assert [text for text in answer.findings if text.startswith("namespace ward") and words in text]


def test_a_workload_that_is_not_ready_is_a_finding() -> None:
    broken = replace(ROW, ready="False", message="1 of 2 pod(s) outside")
    assert "hospital/records: 1 of 2 pod(s) outside" in report(replace(SEEN, workloads=(broken,))).findings


def test_sections_that_may_not_be_read_are_none() -> None:
    answer = report(StatusSeen(None, None, None, {}), found=blind())
    assert answer.is_empty
    assert (answer.policies, answer.datacentres, answer.namespaces, answer.workloads) == (None,) * 4
    assert not report(SEEN, found=blind()).is_empty


def test_who_may_read_policies_but_not_nodes_sees_what_the_operator_reports() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "NoNodeAccepted", "message": "no datacentre is accepted"}
    recorded = {
        ("sovereigntypolicies", POLICY): {"nodes": 0, "datacentres": "0 of 2", "nextEnd": "none", "conditions": [ready]}
    }
    answer = report(replace(SEEN, recorded=recorded), known=ALL - {Kept.NODES})
    (row,) = answer.policies or ()
    assert (row.ready, row.datacentres, row.days) == ("False", "0 of 2", None)
    assert f"policy {POLICY}: no datacentre is accepted" in answer.findings


def test_what_could_not_be_read_is_unknown_and_not_zero() -> None:
    unread = Unread("nodes", "", "", "forbidden")
    answer = replace(report(StatusSeen(None, None, (), {}), known=ALL - {Kept.NODES}), unread=(unread,))
    (policy,) = answer.policies or ()
    assert (policy.datacentres, policy.nodes, policy.used_by, policy.tried_by) == ("", None, None, None)
    place = (answer.datacentres or ())[0]
    assert (place.nodes, place.accepted_by) == (None, "")
    assert not policy.end_known | place.end_known
    text = render(show_status(answer, wide=False))
    cells = [line.split("   ") for line in text.splitlines()]
    rows = {row[0].strip(): [cell.strip() for cell in row if cell.strip()] for row in cells if row[0]}
    assert rows[POLICY] == [POLICY, "Unknown", *["unknown"] * 4]
    assert rows["brest"] == ["brest", "Unknown", "armor-snc", "FR", *["unknown"] * 3]
    assert "Nothing found in what you may read.\n" in text
    assert answer.exit_code == 0
    assert "\nNothing found.\n" not in text


@pytest.mark.parametrize(
    ("namespaces", "narrowed", "used"),
    [
        (None, False, None),
        (None, True, None),
        ({}, False, 0),
        ({}, True, None),
        ({"hospital": POLICY}, False, 1),
        ({"hospital": POLICY}, True, 1),
    ],
)
def test_namespaces_that_may_not_be_listed_may_use_a_policy(
    namespaces: dict[str, str] | None, *, narrowed: bool, used: int | None
) -> None:
    answer = report(replace(SEEN, namespaces=namespaces, narrowed=narrowed))
    assert [row.used_by for row in answer.policies or ()] == [used]


def test_nodes_in_no_datacentre_are_told_and_no_finding() -> None:
    quiet = replace(FACTS, datacentres={})
    answer = report(replace(SEEN, namespaces={}), found=estate(quiet))
    assert (answer.nodes, answer.nodes_nowhere, answer.findings) == (4, 4, ())
    text = render(show_status(answer, wide=False))
    assert "4 of 4 nodes stand in no datacentre: kubectl sovereign nodes\n" in text
    unknown = report(found=estate(quiet, known=ALL - {Kept.DATACENTRES}))
    assert (unknown.nodes, unknown.nodes_nowhere) == (None, None)
    assert "in no datacentre" not in render(show_status(unknown, wide=False))


@given(facts())
def test_it_says_what_the_controller_reports(drawn: Facts) -> None:
    answer = report_status(StatusSeen({}, (), (), {}), estate(drawn), drawn.now)
    verdicts = Verdicts(drawn)
    for row in answer.policies or ():
        wanted = report_policy(row.policy, drawn, verdicts)
        assert (row.nodes, row.datacentres) == (wanted.status["nodes"], wanted.status["datacentres"])
        assert row.ready == wanted.observations[0].status
    for place in answer.datacentres or ():
        assert place.nodes == len(verdicts.nodes_in(place.datacentre))
        accepting = [name for name in drawn.policies if verdicts.sites[Pair(name, place.datacentre)].accepted]
        assert place.accepted_by == (", ".join(sorted(accepting)) or "none")
