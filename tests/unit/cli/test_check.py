"""Whether the operator works, and whether it may be installed: each line, and the exit code that follows."""

import tomllib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml

from hack.cluster.spec import KUBERNETES_VERSIONS
from hack.install import CHART
from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.cli.answers.check import (
    Check,
    LeaseSeen,
    OperatorSeen,
    ProcessSeen,
    Result,
    check_operator,
)
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.preflight import (
    CERTIFYING,
    GUARDING,
    NEWEST,
    OLDEST,
    PLACING,
    ClusterSeen,
    check_cluster,
    parse,
)
from sovereign_operator.cli.answers.version import CrdVersion
from sovereign_operator.core.admission.guards import GuardFinding
from sovereign_operator.core.encryption.node_lacks import Lack, NodeLack, NodeLacks
from sovereign_operator.core.workload.readiness import CURRENT, Readiness, ReadinessState
from tests import builders
from tests.builders import NOW
from tests.documents import REFERENCE, ROOT, command_blocks
from tests.unit.cli.clusters import FACTS, POLICY, blind, estate

CRD = CrdVersion("datacentres.sovereignty.dev", found=True, served=("v1alpha1",), version="0.1.0")
GONE = replace(CRD, found=False, version="")
CONTROLLER = ProcessSeen("sovereign-controller", "Deployment", CURRENT, 2, 2, "0.1.0")
LEASE = LeaseSeen("sovereign-controller", "sovereign-controller-a", NOW - timedelta(seconds=3), 15)
BROKEN = GuardFinding("ValidatingAdmissionPolicy", "sovereignty-guard-pods", "is missing", "run helm upgrade")
WAITING = Readiness(ReadinessState.IN_PROGRESS, "1 of 2 replicas are ready")
WELL = OperatorSeen(
    client="0.1.0",
    namespace="sovereign-system",
    crds=(CRD,),
    processes=(CONTROLLER,),
    leases=(LEASE,),
    guards=(),
    hosts={POLICY: frozenset({"brest-1", "lyon-1"})},
    now=NOW,
)


def check(**fields: Any) -> Check:
    return check_operator(replace(WELL, **fields), estate())


def results(answer: Check) -> dict[str, tuple[Result, str]]:
    return {item.check: (item.result, f"{item.found}; {item.next}") for item in answer.items}


def test_where_all_is_well_every_line_is_ok() -> None:
    answer = check()
    assert {item.result for item in answer.items} == {Result.OK}
    assert [item.check for item in answer.items] == [
        "kinds",
        "sovereign-controller",
        "sovereign-controller leads",
        "guarded",
        "up to date",
        "decided",
    ]
    assert not [item for item in answer.items if item.next]
    assert answer.exit_code == 0


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "a CRD is gone": ({"crds": (CRD, replace(GONE, name="x"))}, "kinds", "missing or being deleted: x"),
    "replicas are missing": (
        {"processes": (replace(CONTROLLER, ready=1, readiness=WAITING),)},
        "sovereign-controller",
        "1 of 2 ready: 1 of 2 replicas are ready; kubectl -n sovereign-system describe deployment sovereign-controller",
    ),
    "scaled to none": (
        {"processes": (replace(CONTROLLER, ready=0, wanted=0),)},
        "sovereign-controller",
        "kubectl -n sovereign-system scale deployment sovereign-controller --replicas=2",
    ),
    "no process": ({"processes": ()}, "healthy", "no process of the operator in namespace sovereign-system"),
    "the Lease expired": (
        {"leases": (replace(LEASE, renewed=NOW - timedelta(seconds=40)),)},
        "sovereign-controller leads",
        "renewed its Lease 40 s ago: it expired after 15 s",
    ),
    "nobody holds the Lease": (
        {"leases": (replace(LEASE, holder=""),)},
        "sovereign-controller leads",
        "no replica leads",
    ),
    "a guard is missing": ({"guards": (BROKEN,)}, "guarded", "guard-pods is missing; run helm upgrade"),
    "an upgrade stopped": ({"crds": (replace(CRD, version="0.0.9"),)}, "up to date", "several versions"),
    "a role is behind": ({"hosts": {POLICY: frozenset({"brest-1"})}}, "decided", "which nodes may host secnumcloud"),
    "a role is missing": ({"hosts": {}}, "decided", "which nodes may host secnumcloud"),
}


@pytest.mark.parametrize(("fields", "line", "words"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_bad_and_says_what_to_do(fields: dict[str, Any], line: str, words: str) -> None:
    answer = check(**fields)
    result, text = results(answer)[line]
    assert result is Result.BAD
    assert words in text
    assert not text.endswith("; ")
    assert answer.exit_code == 1


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"crds": None}, "kinds"),
        ({"processes": None}, "healthy"),
        ({"leases": None}, "led"),
        ({"guards": None}, "guarded"),
        ({"hosts": None}, "decided"),
    ],
)
def test_what_may_not_be_read_is_unknown_and_the_check_not_answered(fields: dict[str, Any], line: str) -> None:
    answer = check(**fields)
    assert results(answer)[line][0] is Result.UNKNOWN
    assert answer.exit_code == 2


STRICT = EncryptionInTransit.model_validate({"mode": "Strict", "clusterNetworks": ["10.244.0.0/16"]})


def encrypting(spec: EncryptionInTransit) -> Estate:
    """Return an estate whose policy encrypts."""
    policies = {POLICY: FACTS.policies[POLICY].model_copy(update={"encryption_in_transit": spec})}
    return estate(replace(FACTS, policies=policies))


def test_calls_that_strict_refuses_are_bad_before_the_policy_is_in_strict() -> None:
    called = {("ward", "web-0"): "port 8443, called for APIService x"}
    result, text = results(check_operator(WELL, encrypting(STRICT), called))["webhooks reached"]
    assert result is Result.BAD
    assert "which calls 1 pod: ward/web-0 (port 8443, called for APIService x); name the ports in plainPorts" in text
    assert results(check_operator(WELL, encrypting(STRICT), {}))["webhooks reached"][0] is Result.OK
    assert results(check_operator(WELL, encrypting(STRICT), None))["webhooks reached"][0] is Result.UNKNOWN
    preferred = STRICT.model_copy(update={"mode": EncryptionMode.PREFERRED})
    assert "webhooks reached" not in results(check_operator(WELL, encrypting(preferred), called))


def test_what_is_bad_counts_more_than_what_is_unknown() -> None:
    assert check(guards=None, leases=(replace(LEASE, holder=""),)).exit_code == 1


def test_what_follows_from_the_facts_is_unknown_to_who_may_not_read_them() -> None:
    assert results(check_operator(WELL, blind()))["decided"][0] is Result.UNKNOWN


def test_without_any_kind_and_process_it_is_not_installed() -> None:
    answer = check_operator(replace(WELL, crds=(GONE,), processes=()), None)
    (item,) = answer.items
    assert (item.check, item.result) == ("installed", Result.BAD)


@pytest.mark.parametrize(
    "fields", [{"client": "0.2.0"}, {"guards": (replace(BROKEN, what="also audits", drifted=True),)}]
)
def test_what_a_person_should_only_know_is_a_note(fields: dict[str, Any]) -> None:
    answer = check(**fields)
    assert {item.result for item in answer.items} == {Result.OK, Result.NOTE}
    assert answer.exit_code == 0


def test_another_version_of_the_client_is_installed_as_the_page_says() -> None:
    """From a checkout: no index of packages has the program."""
    answer = check(client="0.2.0")
    (advice,) = (item.next for item in answer.items if item.check == "up to date")
    (install,) = (block for block in command_blocks(REFERENCE / "kubectl-sovereign.md") if "pipx" in block)
    assert advice == "from a checkout of the operator's repository of version 0.1.0: " + install.replace(
        "install", "install --force"
    )


SUITABLE = ClusterSeen(
    version="v1.37.2",
    admission=frozenset((*GUARDING, *PLACING)),
    certificates=frozenset(CERTIFYING),
    token_keys=True,
    kubelets={"a": "v1.37.2"},
    kernels={"a": "6.1.0-40-cloud-amd64"},
    may={"customresourcedefinitions": True, "clusterroles": True},
)


def test_a_suitable_cluster_has_notes_alone_about_what_cannot_be_seen() -> None:
    answer = check_cluster(SUITABLE)
    noted = [item.check for item in answer.items if item.result is not Result.OK]
    assert (noted, answer.exit_code) == (["NodeRestriction"], 0)
    assert "cannot be seen from here" in results(answer)["NodeRestriction"][1]


@pytest.mark.parametrize(
    ("fields", "line", "result", "exit_code"),
    [
        ({"version": "v1.32.9"}, "Kubernetes", Result.BAD, 1),
        ({"version": "v1.33.0-gke.7"}, "Kubernetes", Result.OK, 0),
        ({"version": "v1.38.0"}, "Kubernetes", Result.NOTE, 0),
        ({"version": None}, "Kubernetes", Result.UNKNOWN, 2),
        ({"version": "main"}, "Kubernetes", Result.UNKNOWN, 2),
        ({"admission": frozenset(GUARDING)}, "placement", Result.NOTE, 0),
        ({"admission": frozenset(PLACING)}, "guards", Result.BAD, 1),
        ({"admission": None}, "guards", Result.UNKNOWN, 2),
        ({"certificates": frozenset()}, "certificates", Result.NOTE, 0),
        ({"certificates": None}, "certificates", Result.UNKNOWN, 2),
        ({"token_keys": False}, "tokens", Result.NOTE, 0),
        ({"token_keys": None}, "tokens", Result.UNKNOWN, 2),
        ({"kubelets": {"a": "v1.30.1"}}, "nodes", Result.NOTE, 0),
        ({"kubelets": None}, "nodes", Result.UNKNOWN, 2),
        ({"kernels": {"a": "5.16.0"}}, "kernels", Result.OK, 0),
        ({"kernels": {"a": "5.14.0-427.el9.x86_64"}}, "kernels", Result.NOTE, 0),
        ({"kernels": {"a": "6.1.0", "b": "4.18.0-553.el8.x86_64"}}, "kernels", Result.NOTE, 0),
        ({"kernels": {"a": ""}}, "kernels", Result.UNKNOWN, 2),
        ({"kernels": {"a": "Darwin"}}, "kernels", Result.UNKNOWN, 2),
        ({"may": {"clusterroles": False}}, "your rights", Result.BAD, 1),
    ],
)
def test_a_cluster_before_an_installation(fields: dict[str, Any], line: str, result: Result, exit_code: int) -> None:
    answer = check_cluster(replace(SUITABLE, **fields))
    assert results(answer)[line][0] is result
    assert answer.exit_code == exit_code


def test_what_an_old_kernel_means_is_said_of_the_nodes_that_have_one() -> None:
    def said(**kernels: str) -> str:
        return results(check_cluster(replace(SUITABLE, kernels=kernels)))["kernels"][1]

    assert "no pod with a sidecar starts on nodes with a kernel before Linux 5.2: b" in said(a="6.1.0", b="4.18.0")
    assert "frames that carry no IP may leave pods on nodes with a kernel before Linux 5.16: b" in said(b="5.10.0")


AGENT = ProcessSeen("sovereign-agent", "DaemonSet", CURRENT, 2, 2, "0.1.0")
ENCRYPTING = (CONTROLLER, AGENT)


@pytest.mark.parametrize(
    ("lacks", "line", "result", "exit_code"),
    [
        ({}, "nodes can encrypt", Result.OK, 0),
        (None, "nodes can encrypt", Result.UNKNOWN, 2),
        ({"lyon-1": (NodeLack(Lack.RULES, ("nft_redir",)),)}, "node lyon-1", Result.BAD, 1),
        ({"lyon-1": (NodeLack(Lack.FRAMES),)}, "node lyon-1", Result.NOTE, 0),
    ],
)
def test_what_nodes_lack_is_said_where_agents_run(
    lacks: dict[str, NodeLacks] | None, line: str, result: Result, exit_code: int
) -> None:
    answer = check(processes=ENCRYPTING, lacks=lacks)
    assert results(answer)[line][0] is result
    assert answer.exit_code == exit_code
    for lack in (lack for found in (lacks or {}).values() for lack in found):
        assert results(answer)[line][1] == str(lack)


@pytest.mark.parametrize(
    ("text", "version"), [("v1.37.2", (1, 37)), ("1.33", (1, 33)), ("v1", None), ("", None), ("v1.x", None)]
)
def test_a_version_is_read(text: str, version: tuple[int, int] | None) -> None:
    assert parse(text) == version


def test_the_versions_are_those_of_the_chart_and_of_the_tests() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["kubeVersion"] == f">={OLDEST[0]}.{OLDEST[1]}.0-0"
    assert {parse(version) for version in KUBERNETES_VERSIONS} >= {OLDEST, NEWEST}
    assert max(filter(None, map(parse, KUBERNETES_VERSIONS))) == NEWEST


def test_the_client_is_an_extra_that_no_image_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = {name.partition(">=")[0] for name in project["optional-dependencies"]["cli"]}
    assert extra == {"jinja2", "pyyaml", "rich", "typer"}
    assert not extra & {name.partition(">=")[0] for name in project["dependencies"]}
    assert {"kubectl-sovereign", "kubectl_complete-sovereign"} <= project["scripts"].keys()


def test_processes_on_nodes_that_no_policy_accepts_are_noted() -> None:
    places = {"signer": frozenset({"paris-1", "brest-1"}), "agent": frozenset({"paris-1"}), "injector": frozenset()}
    answer = check(places=places)
    result, said = results(answer)["where it runs"]
    assert result is Result.NOTE
    assert said.startswith("the signer runs on paris-1, which no policy accepts: it holds the keys of certificates")
    assert said.endswith("set signer.nodeSelector in the chart's values")
    assert answer.exit_code == 0
    assert results(check(places=None))["where it runs"][0] is Result.UNKNOWN
    # While nothing is accepted, there is no better place.
    nowhere = estate(builders.facts(*FACTS.nodes.values(), policies={POLICY: builders.policy(builders.demand())}))
    assert "where it runs" not in results(check_operator(replace(WELL, places=places), nowhere))
