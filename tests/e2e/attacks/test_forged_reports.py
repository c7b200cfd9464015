"""Nobody but the controller writes the report of a namespace: neither a user with all rights, nor under its label."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from sovereign_operator.core.workload.namespace_report import JUDGED_PODS
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.resource import Resource
from tests.e2e.support.guards import refused_change, without_bindings
from tests.e2e.support.manifests import pod
from tests.e2e.support.reports import FILES, SOON, called, report, served, until_reported

GUARD = "sovereignty-guard-reports"
REPORT = f"{called(resource.REPORTS)}/{names.REPORT}"
SPACE = "reported"
LABELS = {names.REPORT_LABEL: JUDGED_PODS}

CHANGES: dict[str, dict[str, Any]] = {
    "no results": {"results": []},
    "another result": {"results": [{"policy": "secnumcloud", "result": "pass"}]},
    "other numbers": {"summary": {"fail": 0, "pass": 100}},
    "another scope": {"scope": {"kind": "Namespace", "name": "other"}},
    "a selector of scopes": {"scopeSelector": {"matchLabels": {"a": "b"}}},
    "without our label": {"metadata": {"labels": {names.REPORT_LABEL: None}}},
    "more left out": {"metadata": {"annotations": {names.LEFT_OUT_ANNOTATION: "100"}}},
}


@pytest.fixture(scope="module", autouse=True)
def _reported(admin: Kubectl) -> Iterator[None]:
    """Have the cluster serve both kinds for reports, and a namespace with one."""
    labels = {names.WARN_LABEL: "secnumcloud"}
    with served(admin, *FILES):
        admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "labels": labels}})
        eventually(lambda: admin.get("serviceaccount", "default", SPACE), what="a service account")
        admin.create(pod("waiting", schedulerName="nobody"), SPACE)
        until_reported(admin, SPACE, skip=1)
        yield
        admin.delete("namespace", SPACE)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_nobody_changes_it(mallory: Kubectl, change: Json) -> None:
    said = refused_change(mallory, SPACE, REPORT, change)
    assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
    assert f"not yours to write: by its name or its label sovereignty.dev/report, Report {SPACE}/sovereignty" in said


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.kind)
def test_nobody_creates_one(mallory: Kubectl, kind: Resource) -> None:
    """Neither by the name where there is none yet, nor by the label, by which the controller finds its own."""
    create = ("create", "--dry-run=server", "-f", "-", "-n")

    def made(**metadata: Any) -> str:
        return json.dumps({**kind.header, "metadata": metadata})

    assert GUARD in mallory.refusal(*create, "default", stdin=made(name=names.REPORT))
    assert GUARD in mallory.refusal(*create, SPACE, stdin=made(name="other", labels=LABELS))
    assert GUARD in mallory.refusal(*create, SPACE, stdin=made(generateName="other-", labels=LABELS))
    mallory.run(*create, SPACE, stdin=made(name="of-another-tool"))


def test_what_says_nothing_else_is_let_through(mallory: Kubectl) -> None:
    for change in (
        {"metadata": {"annotations": {"example.org/seen": "yes"}}},
        {"metadata": {"finalizers": ["example.org/kept"]}},
        {"metadata": {"labels": {"example.org/team": "records"}}},
    ):
        assert refused_change(mallory, SPACE, REPORT, change) == ""


@pytest.mark.parametrize("how", ["background", "foreground"])
def test_one_that_is_deleted_is_written_again(admin: Kubectl, mallory: Kubectl, how: str) -> None:
    before = report(admin, SPACE)["metadata"]["uid"]
    mallory.run("-n", SPACE, "delete", REPORT, f"--cascade={how}", "--timeout=30s")
    eventually(lambda: report(admin, SPACE)["metadata"]["uid"] != before, seconds=SOON, what="another report")


def test_what_was_forged_without_the_guard_is_corrected(admin: Kubectl, mallory: Kubectl) -> None:
    forged = json.dumps({"summary": {"pass": 1000}})
    change = ("-n", SPACE, "patch", REPORT, "--type=merge", "-p", forged)
    with without_bindings(admin, GUARD):
        eventually(lambda: mallory.run(*change), seconds=20, what="success without the guard")
    eventually(lambda: report(admin, SPACE)["summary"]["pass"] == 0, seconds=SOON, what="the truth")
