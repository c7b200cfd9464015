"""What a real API server enforces and shows for the operator's kinds: rules, defaults, columns, short names."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.kubectl import Json, Kubectl, eventually
from tests.documents import PAGES, README, examples
from tests.e2e.support.manifests import sovereign
from tests.e2e.support.spaces import Space


def cluster_object(kind: str, name: str = "example", **spec: Any) -> Json:
    """Return a cluster-scoped object of the operator's kinds."""
    return {"apiVersion": "sovereignty.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


SERVICE: dict[str, Any] = {"provider": "P", "service": "S"}
QUALIFIED: dict[str, Any] = {"id": "a", "scheme": "SecNumCloud", "status": "Qualified"}
SITE: dict[str, Any] = {"serviceRef": {"name": "s"}, "country": "FR"}
LONG = "a" * 64

REFUSED = {
    "dates in the wrong order": (
        cluster_object(
            "CloudService",
            **SERVICE,
            qualifications=[{**QUALIFIED, "validFrom": "2026-02-01", "validUntil": "2026-01-01"}],
        ),
        "validFrom is after validUntil",
    ),
    "the same qualification twice": (
        cluster_object("CloudService", **SERVICE, qualifications=[QUALIFIED, QUALIFIED]),
        "Duplicate value",
    ),
    "an unknown status": (
        cluster_object("CloudService", **SERVICE, qualifications=[{**QUALIFIED, "status": "qualified"}]),
        "supported values",
    ),
    "an unknown field": (cluster_object("CloudService", **SERVICE, encryption=True), "unknown field"),
    "a country in small letters": (cluster_object("CloudService", **SERVICE, countries=["fr"]), "should match"),
    "a datacentre without nodes": (cluster_object("Datacentre", **SITE), "say which nodes stand here"),
    "a datacentre whose name cannot be a label": (
        cluster_object("Datacentre", LONG, **SITE, nodeSelector={"a": "b"}),
        "at most 63 characters",
    ),
    "a selector on our own label": (
        cluster_object(
            "Datacentre", **SITE, nodeSelector={"sovereignty.node-restriction.kubernetes.io/datacentre": "x"}
        ),
        "the operator writes itself",
    ),
    "a policy whose name cannot be a label": (cluster_object("SovereigntyPolicy", LONG), "at most 63 characters"),
    "an unknown strength of evidence": (
        cluster_object("SovereigntyPolicy", nodeEvidence="Signed"),
        "supported values",
    ),
    "a derogation in a policy": (cluster_object("SovereigntyPolicy", derogations=[]), "unknown field"),
    "a derogation without a reason": (
        cluster_object(
            "Derogation",
            policyRef={"name": "p"},
            serviceRef={"name": "s"},
            scheme="SecNumCloud",
            until="2027-01-01",
        ),
        "spec.reason",
    ),
    "a derogation without an end": (
        cluster_object(
            "Derogation", policyRef={"name": "p"}, serviceRef={"name": "s"}, scheme="SecNumCloud", reason="r"
        ),
        "spec.until",
    ),
}


@pytest.mark.parametrize(("manifest", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_the_server_refuses(admin: Kubectl, manifest: Json, message: str) -> None:
    said = admin.refusal("create", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))
    assert message in said


REF = {"kind": "Deployment", "name": "a"}
TEMPLATE = {"kind": "Deployment", "spec": {}}
PODS = {"matchLabels": {"app": "a"}}


def test_a_sovereign_workload_has_one_workload(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    specs: tuple[dict[str, Any], ...] = (
        {},
        {"workloadRef": REF, "template": TEMPLATE},
        {"workloadRef": REF, "podSelector": PODS},
        {"template": TEMPLATE, "podSelector": PODS},
        {"workloadRef": REF, "template": TEMPLATE, "podSelector": PODS},
    )
    for spec in specs:
        said = admin.refusal(
            "-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(sovereign("a", **spec))
        )
        assert "give one of spec.workloadRef" in said


def test_what_a_sovereign_workload_speaks_of_cannot_change(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    admin.apply(sovereign("a", workloadRef=REF), namespace=namespace)
    for spec in ({"workloadRef": {**REF, "name": "b"}}, {"template": TEMPLATE}):
        said = admin.refusal("-n", namespace, "apply", "-f", "-", stdin=json.dumps(sovereign("a", **spec)))
        assert "spec.workloadRef cannot change: delete this SovereignWorkload" in said
    for before, after in (("podSelector", "template"), ("template", "podSelector")):
        fields: dict[str, Any] = {"podSelector": PODS, "template": TEMPLATE}
        admin.apply(sovereign("b", **{before: fields[before]}), namespace=namespace)
        changed = json.dumps(sovereign("b", **{after: fields[after]}))
        said = admin.refusal("-n", namespace, "apply", "-f", "-", stdin=changed)
        assert "spec.podSelector can neither replace another field nor be replaced" in said
        admin.delete("swl", "b", namespace=namespace)


def test_a_selector_of_pods_says_something(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    for selector, words in {
        "{}": "an empty selector would be every pod",
        '{"matchExpressions": [{"key": "app", "operator": "In"}]}': "In and NotIn take values",
        '{"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["a"]}]}': "In and NotIn take values",
        '{"matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]}': "Unsupported value",
    }.items():
        manifest = json.dumps(sovereign("a", podSelector=json.loads(selector)))
        assert words in admin.refusal("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=manifest)


def test_short_names_and_the_category_work(admin: Kubectl) -> None:
    for name, kind in (
        ("csvc", "CloudService"),
        ("dctr", "Datacentre"),
        ("datacenter", "Datacentre"),
        ("spol", "SovereigntyPolicy"),
    ):
        assert {entry["kind"] for entry in admin.list(name)} == {kind}
    listed = admin.run("get", "sovereignty", "-A", "-o", "name")
    for plural in ("cloudservice", "datacentre", "sovereigntypolicy"):
        assert f"{plural}.sovereignty.dev/" in listed


def test_columns_answer_the_first_question(admin: Kubectl) -> None:
    services = admin.run("get", "csvc", "armor-snc", "globex-west", "armor-public")
    assert "HDS 2, SecNumCloud 3.2" in services
    assert "<invalid>" not in services
    datacentres = admin.run("get", "dctr")
    assert "sovereign-strict" in datacentres
    policies = eventually(lambda: admin.run("get", "spol", "secnumcloud"), what="a policy")
    assert "2 of 4" in policies
    assert "NodesAccepted" in policies


def test_describe_node_says_why_it_is_refused(admin: Kubectl) -> None:
    described = admin.run("describe", "node", "paris-1")
    assert "Globex West Europe has no SecNumCloud qualification" in described
    assert "is exposed to the law of US" in described


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: page.stem)
def test_the_server_accepts_the_examples_of_our_pages(admin: Kubectl, space: Space, page: Path) -> None:
    namespace = space(None)
    for example in examples(page):
        if example["apiVersion"].startswith("karpenter.sh/"):
            # tests/e2e/own_cluster/test_karpenter.py has a NodePool like it.
            continue
        example["metadata"]["name"] = "an-example"
        if "namespace" in example["metadata"]:
            example["metadata"]["namespace"] = namespace
        admin.run("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(example))


def test_every_field_is_explained(admin: Kubectl) -> None:
    explained = admin.run("explain", "cloudservice.spec.qualifications.validUntil")
    assert "Europe/Paris" in explained
