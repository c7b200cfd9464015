"""The report of a namespace, for those who may read nothing outside of it: how policies judge its pods.

Its form is that of a Report of OpenReports (openreports.io/v1alpha1), or of a PolicyReport (wgpolicyk8s.io/v1alpha2),
from which the former descends. Sources: the CRDs in openreports/reports-api (config/crd) and in
kubernetes-sigs/wg-policy-prototypes (policy-report/crd/v1alpha2).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sovereign_operator.core import names
from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.report.reasons import words
from sovereign_operator.core.workload.judged_owner import (
    JudgedOwner,
    PolicyAnswers,
    Result,
    message_of,
    rank,
    result_of,
)
from sovereign_operator.core.workload.judgement import PLACES, Count

Json = dict[str, Any]

SOURCE: Final = "sovereign-operator"
JUDGED_PODS: Final = "judged-pods"
"""The value of the label of these reports."""
MAX_RESULTS: Final = 500
MAX_BYTES: Final = 900_000
"""Of all results as JSON. etcd takes objects of 1.5 MiB, by default."""
SEVERITY: Final = {Result.FAIL: "high", Result.ERROR: "high", Result.WARN: "medium"}
CONTENT: Final = ("source", "scope", "configuration", "summary", "results")
"""The fields that a report consists of, besides its metadata."""


def render_report(
    namespace: str, judged: Iterable[JudgedOwner], answers: Callable[[str], PolicyAnswers], *, open_reports: bool
) -> Json:
    """Return the report of a namespace, without apiVersion and kind. ``answers`` returns what a policy says.

    The worst results come first. Those that have no room are counted. With ``open_reports`` it is a Report, which has
    more fields than a PolicyReport.
    """
    ranked = sorted(judged, key=rank)
    summary = Counter(map(result_of, ranked))
    results: list[Json] = []
    size = 0
    for owned in ranked[:MAX_RESULTS]:
        result = _result(owned, answers(owned.judge.policy))
        size += len(json.dumps(result, ensure_ascii=False).encode())
        if size > MAX_BYTES:
            break
        results.append(result)
    left = len(ranked) - len(results)
    metadata: Json = {"name": names.REPORT, "namespace": namespace, "labels": {names.REPORT_LABEL: JUDGED_PODS}}
    if left:
        metadata["annotations"] = {names.LEFT_OUT_ANNOTATION: str(left)}
    more: Json = {"source": SOURCE, "configuration": {"limits": {"maxResults": MAX_RESULTS}}} if open_reports else {}
    return more | {
        "metadata": metadata,
        "scope": {"apiVersion": "v1", "kind": "Namespace", "name": namespace},
        "summary": {result.value: summary[result] for result in Result},
        "results": results,
    }


def digest_of(report: Mapping[str, Any]) -> str:
    """Return what stands for all that a report says, whoever else added metadata to it."""
    metadata = report.get("metadata") or {}
    left = (metadata.get("annotations") or {}).get(names.LEFT_OUT_ANNOTATION)
    content = [left, {field: report[field] for field in CONTENT if field in report}]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _result(owned: JudgedOwner, answers: PolicyAnswers) -> Json:
    result = result_of(owned)
    owner = owned.owner
    subject = {"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name}
    if owner.kind != "Node":
        subject["namespace"] = owned.namespace
    severity = {"severity": SEVERITY[result]} if result in SEVERITY else {}
    return severity | {
        "source": SOURCE,
        "policy": owned.judge.policy,
        "rule": owned.judge.mode.value,
        "result": result.value,
        "scored": owned.held,
        "message": message_of(owned, answers),
        "resources": [subject],
        "properties": _properties(owned, answers),
    }


def _properties(owned: JudgedOwner, answers: PolicyAnswers) -> dict[str, str]:
    """Return the counts, the reasons, and which label has the policy judge the pods, as text."""
    counts = owned.counts
    shown = {"pods": sum(counts[place] for place in PLACES)} | {place.value: counts[place] for place in PLACES}
    if owned.held:
        shown |= {"olderThanLabel": counts[Count.OLDER], "withoutSidecar": counts[Count.BARE]}
    nodes = {judgement.why for judgement in owned.numbers if judgement.place is Place.OUTSIDE and judgement.why}
    verdicts = [answers.verdicts[node] for node in nodes if node in answers.verdicts]
    reasons = {word for verdict in verdicts for word in words(verdict.findings)}
    found = {key: str(number) for key, number in shown.items()} | {"judgedBy": owned.source}
    return found | ({"reasons": ", ".join(sorted(reasons))} if reasons else {})
