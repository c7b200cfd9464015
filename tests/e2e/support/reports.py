"""The kinds for reports, which a cluster may have or not, and the reports of namespaces."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hack import audit_log
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.resource import Resource

DATA: Final = Path(__file__).parents[2] / "data" / "reports"
FILES: Final = {
    resource.REPORTS: DATA / "openreports.io_reports.yaml",
    resource.POLICY_REPORTS: DATA / "wgpolicyk8s.io_policyreports.yaml",
}
SOON: Final = 100
"""Seconds. The controller looks for the kinds every half a minute, and waits as long between two writes."""


def called(kind: Resource) -> str:
    """Return what kubectl calls a kind: the plural alone may be that of another group."""
    return f"{kind.plural}.{kind.api_version.partition('/')[0]}"


@contextmanager
def served(admin: Kubectl, *kinds: Resource) -> Iterator[None]:
    """Have the cluster serve these kinds for reports, and no longer at the end."""
    crds = [f"crd/{called(kind)}" for kind in kinds]
    try:
        for kind in kinds:
            # It has more text than the annotation of a client-side apply takes.
            admin.run("create", "-f", str(FILES[kind]))
        # kubectl fails at a CRD that has no conditions yet.
        wait = ("wait", *crds, "--for=condition=Established", "--timeout=30s")
        eventually(lambda: admin.run(*wait), what="kinds for reports")
        yield
    finally:
        admin.delete(*crds)


def report(admin: Kubectl, namespace: str, kind: Resource = resource.REPORTS) -> Json:
    """Return the report of a namespace. Raises KubectlError."""
    return admin.get(called(kind), names.REPORT, namespace)


def results(found: Json) -> dict[tuple[str, str, str], Json]:
    """Return the results of a report, by owner, policy and rule."""
    return {
        (f"{result['resources'][0]['kind']}/{result['resources'][0]['name']}", result["policy"], result["rule"]): result
        for result in found["results"]
    }


def until_reported(admin: Kubectl, namespace: str, kind: Resource = resource.REPORTS, **summary: int) -> Json:
    """Wait until the report of a namespace has these numbers in its summary, and return it."""

    def look() -> Json | None:
        found = report(admin, namespace, kind)
        numbers = found["summary"]
        assert {word: numbers[word] for word in summary} == summary, numbers
        return found

    return eventually(look, seconds=SOON, what=f"a report with {summary}")


def writes(cluster: Cluster, namespace: str, since: int) -> list[str]:
    """Return what the controller did to the reports of a namespace after a position of the audit log."""
    plurals = {kind.plural for kind in FILES}
    return [
        entry["verb"]
        for entry in audit_log.writes_in(audit_log.requests_of(cluster, "sovereign-controller", since))
        if audit_log.target(entry) in plurals and entry["objectRef"].get("namespace") == namespace
    ]
