"""The report of a namespace is what its schema allows, of bounded size, and the same for the same pods."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core import names
from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.workload.judged_owner import JudgedOwner, PolicyAnswers, Result, rank, result_of
from sovereign_operator.core.workload.judgement import Judgement
from sovereign_operator.core.workload.namespace_report import MAX_BYTES, MAX_RESULTS, digest_of, render_report
from sovereign_operator.core.workload.owner import Owner
from sovereign_operator.core.workload.scope import Mode
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.objects.report import see_report
from tests.schema import violations
from tests.unit.workload.judged import ANSWERS, INSIDE, OUTSIDE, OWNED, PENDING, UNKNOWN, owned

Json = dict[str, Any]

DATA = Path(__file__).parents[2] / "data" / "reports"
KINDS = {
    resource.REPORTS: (DATA / "openreports.io_reports.yaml", True),
    resource.POLICY_REPORTS: (DATA / "wgpolicyk8s.io_policyreports.yaml", False),
}


def schema_of(kind: resource.Resource) -> Json:
    crd = yaml.safe_load(KINDS[kind][0].read_text(encoding="utf-8"))
    group, _, version = kind.api_version.partition("/")
    assert (crd["spec"]["group"], crd["spec"]["names"]["plural"]) == (group, kind.plural)
    (found,) = (one for one in crd["spec"]["versions"] if one["name"] == version and one["served"])
    schema: Json = found["schema"]["openAPIV3Schema"]
    # The API server itself knows the metadata.
    return schema | {"properties": schema["properties"] | {"metadata": {"x-kubernetes-preserve-unknown-fields": True}}}


SCHEMAS = {kind: schema_of(kind) for kind in KINDS}


def rendered(*seen: JudgedOwner, open_reports: bool = True) -> Json:
    return render_report("hospital", seen, lambda _: ANSWERS, open_reports=open_reports)


def test_a_report_says_of_each_owner_what_is_the_case_and_what_to_do() -> None:
    held = owned(INSIDE, OUTSIDE, PENDING)
    tried = owned(INSIDE, INSIDE, mode=Mode.AUDIT, owner=Owner("apps/v1", "StatefulSet", "db"))
    report = rendered(tried, held)
    assert report["summary"] == {"fail": 1, "error": 0, "warn": 0, "skip": 0, "pass": 1}
    assert report["scope"] == {"apiVersion": "v1", "kind": "Namespace", "name": "hospital"}
    fail, passes = report["results"]
    assert fail.pop("message").startswith("1 of 3 pod(s) are outside: records-1 runs on bad: gra: Acme Cloud: ")
    assert fail == {
        "source": "sovereign-operator",
        "policy": "secnumcloud",
        "rule": "enforce",
        "result": "fail",
        "severity": "high",
        "scored": True,
        "resources": [{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "hospital", "name": "records"}],
        "properties": {
            "pods": "3",
            "inside": "1",
            "outside": "1",
            "pending": "1",
            "unknown": "0",
            "olderThanLabel": "0",
            "withoutSidecar": "0",
            "reasons": "QualificationSuspended",
            "judgedBy": "the label sovereignty.dev/enforce of namespace hospital",
        },
    }
    assert (passes["rule"], passes["result"], passes["scored"]) == ("audit", "pass", False)
    assert passes["properties"]["judgedBy"] == "the label sovereignty.dev/audit of namespace hospital"
    assert "severity" not in passes


def test_a_namespace_without_pods_has_a_report_that_says_so() -> None:
    report = rendered()
    assert report["results"] == []
    assert not any(report["summary"].values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@given(seen=st.lists(OWNED | st.just(owned(UNKNOWN)), max_size=6))
def test_a_report_is_what_the_schema_of_its_kind_allows(kind: resource.Resource, seen: list[JudgedOwner]) -> None:
    report: Json = {**kind.header, **rendered(*seen, open_reports=KINDS[kind][1])}
    assert not [*violations(SCHEMAS[kind], report)]
    assert report["summary"] == {result.value: sum(result_of(one) is result for one in seen) for result in Result}


@given(seen=st.lists(OWNED, max_size=6), seed=st.integers())
def test_the_same_pods_give_the_same_report(seen: list[JudgedOwner], seed: int) -> None:
    """Otherwise each restart would write it again."""
    distinct = [*{rank(one): one for one in seen}.values()]
    shuffled = Random(seed).sample(distinct, len(distinct))
    assert rendered(*distinct) == rendered(*shuffled)


@given(seen=st.lists(OWNED, max_size=4))
def test_what_the_server_stores_is_recognised_and_no_change_is_missed(seen: list[JudgedOwner]) -> None:
    report: Json = {**resource.REPORTS.header, **rendered(*seen)}
    stored = json.loads(json.dumps(report, sort_keys=True))
    stored["metadata"] |= {"uid": "u", "resourceVersion": "7", "managedFields": [], "annotations": {"a": "b"}}
    found = see_report(stored)
    assert found
    assert (found.uid, found.digest) == ("u", digest_of(report))
    changes: list[Json] = [
        {"summary": report["summary"] | {"pass": 1000}},
        {"results": [*report["results"], {"policy": "x"}]},
        {"source": "mallory"},
        {"scope": {}},
    ]
    for change in changes:
        assert digest_of(stored | change) != found.digest
    left = {"annotations": {names.LEFT_OUT_ANNOTATION: "1"}}
    assert digest_of(stored | {"metadata": stored["metadata"] | left}) != found.digest


def test_only_the_name_makes_a_report_ours() -> None:
    assert see_report({"metadata": {"name": "other", "uid": "u"}}) is None


@pytest.mark.parametrize("letters", ["a", "é", "😀"])
def test_a_report_has_a_bounded_size_and_names_the_worst_first(letters: str) -> None:
    """However many owners there are, and whatever a verdict quotes."""
    many = [owned(INSIDE, owner=Owner("apps/v1", "Deployment", f"inside-{number}")) for number in range(400)]
    many += [
        owned(Judgement(Place.OUTSIDE, letters * 2000), owner=Owner("apps/v1", "Deployment", f"d{number:03}"))
        for number in range(300)
    ]
    report = rendered(*many)
    results = report["results"]
    assert len(results) <= MAX_RESULTS
    assert len(json.dumps(results, ensure_ascii=False).encode()) <= MAX_BYTES + 2 * MAX_RESULTS
    assert report["summary"]["fail"] == 300
    assert report["summary"]["pass"] == 400
    assert int(report["metadata"]["annotations"][names.LEFT_OUT_ANNOTATION]) == 700 - len(results)
    order = [[*Result].index(Result(result["result"])) for result in results]
    assert order == sorted(order)
    shown = Counter(result["result"] for result in results)
    assert shown["fail"] == 300 or not shown["pass"]


def test_what_has_room_is_not_said_to_be_left_out() -> None:
    assert "annotations" not in rendered(owned(INSIDE))["metadata"]


def test_a_node_is_in_no_namespace() -> None:
    (result,) = rendered(owned(OUTSIDE, owner=Owner("v1", "Node", "paris-1")))["results"]
    assert result["resources"] == [{"apiVersion": "v1", "kind": "Node", "name": "paris-1"}]


def test_a_policy_that_says_nothing_of_a_node_gives_no_reasons() -> None:
    answers = PolicyAnswers({}, 0, readable=False)
    report = render_report("hospital", [owned(OUTSIDE)], lambda _: answers, open_reports=True)
    assert "reasons" not in report["results"][0]["properties"]
