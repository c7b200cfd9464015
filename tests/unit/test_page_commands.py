"""Every block of commands of README, reference and runbook is run by a test, or it is known why not."""

import re
from pathlib import Path

import pytest

from tests.documents import PAGES, README, ROOT, RUNBOOK, command_blocks, inline_commands, step_commands

COMMANDS = "tests/e2e/operations/test_page_commands.py"
DEROGATIONS = "tests/e2e/operations/test_derogation_pages.py"
STEP_COMMANDS = "tests/e2e/operations/test_step_commands.py"
LOST_KEYS = "tests/e2e/attacks/test_lost_keys.py"
PLUGIN = "tests/unit/cli/test_page.py"

RUN = {
    ("README.md", "$ kubectl sovereign preview"): PLUGIN,
    ("README.md", "make demo"): "tests/e2e/operations/test_demo.py",
    ("README.md", "$ kubectl get sovereignworkloads -A"): COMMANDS,
    ("certificates.md", "kubectl -n sovereign-keys create secret"): LOST_KEYS,
    ("derogation.md", "kubectl create clusterrolebinding"): COMMANDS,
    ("derogation.md", "kubectl get derogation armor-public-pilot"): DEROGATIONS,
    ("derogation.md", "kubectl patch derogation armor-public-pilot"): DEROGATIONS,
    ("encryption.md", "kubectl -n sovereign-system get pods"): COMMANDS,
    ("tcp.md", "sleep 2"): "tests/dataplane/test_tcp_as_it_was.py",
    ("operations.md", "kubectl -n sovereign-system get configmap"): COMMANDS,
    ("operations.md", "kubectl delete validatingadmissionpolicybinding"): STEP_COMMANDS,
    ("operations.md", "kubectl get sovereigntypolicies"): DEROGATIONS,
    ("reports.md", "$ kubectl -n hospital get report"): "tests/e2e/operations/test_reports.py",
    ("sovereigntypolicy.md", "kubectl apply -f - <<END"): COMMANDS,
    ("sovereigntypolicy.md", "for namespace in"): COMMANDS,
    ("sovereignworkload.md", "kubectl label namespace hospital sovereignty.dev/enforce"): COMMANDS,
    ("sovereignworkload.md", "kubectl -n hospital get pods"): COMMANDS,
    ("sovereignworkload.md", "kubectl label namespace hospital sovereignty.dev/warn"): COMMANDS,
    ("RUNBOOK.md", "kubectl -n sovereign-system get events"): COMMANDS,
    ("RUNBOOK.md", "kubectl -n NAMESPACE get pods"): COMMANDS,
    ("kubectl-sovereign.md", "$ kubectl sovereign"): PLUGIN,
    ("kubectl-sovereign.md", "kubectl sovereign report"): "tests/e2e/operations/test_cli_report.py",
    ("operations.md", "kubectl create clusterrolebinding auditors-view"): COMMANDS,
    ("operations.md", "$ kubectl delete datacentre"): "tests/e2e/operations/test_facts_in_use.py",
    ("node-pools.md", "kubectl patch sovereigntypolicy"): COMMANDS,
    ("node-pools.md", "kubectl get node NODE"): COMMANDS,
}
"""By page and how a block begins, the test that runs it."""
STEPS = {
    ("operations.md", "kubectl -n sovereign-system delete secret sovereign-injector-ca"): STEP_COMMANDS,
    ("operations.md", "kubectl -n sovereign-system rollout restart deployment sovereign-injector"): STEP_COMMANDS,
    ("operations.md", "kubectl create -f derogations.yaml"): DEROGATIONS,
    ("operations.md", "kubectl get derogations"): DEROGATIONS,
    ("operations.md", "kubectl label namespace NAMESPACE sovereignty.dev/enforce-"): STEP_COMMANDS,
    ("operations.md", "kubectl delete reports.openreports.io"): STEP_COMMANDS,
    ("operations.md", "kubectl delete policyreports.wgpolicyk8s.io"): STEP_COMMANDS,
    ("operations.md", "helm uninstall"): STEP_COMMANDS,
    ("operations.md", "kubectl delete crd"): STEP_COMMANDS,
    ("operations.md", "kubectl delete clusterrole,clusterrolebinding"): STEP_COMMANDS,
    ("operations.md", "kubectl delete configmap -A"): STEP_COMMANDS,
    ("operations.md", "kubectl delete clustertrustbundle"): STEP_COMMANDS,
    ("operations.md", "kubectl delete namespace"): STEP_COMMANDS,
}
"""The same for the commands within numbered steps."""
LEFT = {
    ("README.md", "docker build"): "needs a container engine and a registry; hack/install.py installs the same chart",
    ("encryption.md", "for part in sidecar agent"): "the same",
    ("kubectl-sovereign.md", "pipx install"): "needs pipx; tests/unit/cli/test_installation.py installs the program",
}
"""Why no test runs the others."""
SHOWN = {
    ("README.md", " you record"): "a drawing",
    ("README.md", "CloudService  <-"): "a drawing",
    ("kubectl-sovereign.md", "You may not read"): "output",
    ("operations.md", "apiVersion: cert-manager.io/v1"): "objects of others, in part",
    ("node-pools.md", "--set 'placement"): "a value of the chart",
}
"""Blocks without a command."""

NO_COMMAND = "helm upgrade"
"""Within a step, whose options depend on the installation."""
NOT_EVERYWHERE = re.compile(r"mutatingadmissionpol|clustertrustbundle|podcertificaterequest|\breports\b|policyreport")
"""Kinds that not every API server serves, as commands name them."""
SAID = re.compile(r"Kubernetes 1\.3[67]|(?:cluster|it) has")
"""How a page says which ones do."""

BLOCKS = [(page.name, block) for page in (README, *PAGES, RUNBOOK) for block in command_blocks(page)]


def named(page: str, block: str) -> list[tuple[str, str]]:
    """Return the entries about a block."""
    return [key for known in (RUN, LEFT, SHOWN) for key in known if key[0] == page and block.startswith(key[1])]


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{page} {block[:40]}" for page, block in BLOCKS])
def test_a_block_is_run_or_it_is_known_why_not(page: str, block: str) -> None:
    assert len(named(page, block)) == 1


def test_there_is_no_entry_about_a_block_that_is_gone() -> None:
    assert {*RUN, *LEFT, *SHOWN} == {key for page, block in BLOCKS for key in named(page, block)}


COMMANDS_OF_STEPS = [
    (page.name, command)
    for page in (README, *PAGES, RUNBOOK)
    for command in step_commands(page)
    if command != NO_COMMAND
]


@pytest.mark.parametrize(("page", "command"), COMMANDS_OF_STEPS, ids=[" ".join(found) for found in COMMANDS_OF_STEPS])
def test_a_command_within_a_step_is_run(page: str, command: str) -> None:
    assert [key for key in STEPS if key[0] == page and command.startswith(key[1])]


def test_there_is_no_entry_about_a_step_that_is_gone() -> None:
    used = {
        key for page, command in COMMANDS_OF_STEPS for key in STEPS if key[0] == page and command.startswith(key[1])
    }
    assert set(STEPS) == used


@pytest.mark.parametrize("page", [README, *PAGES, RUNBOOK], ids=lambda page: page.name)
def test_a_command_about_a_kind_that_some_clusters_lack_names_no_other_and_says_which_have_it(page: Path) -> None:
    """kubectl does nothing at all if the API server lacks one of the kinds in a command."""
    for part in re.split(r"\n\n|\n(?=\d+\. |- )", page.read_text(encoding="utf-8")):
        for command in inline_commands(part):
            for word in (word for word in command.split() if NOT_EVERYWHERE.search(word)):
                if word.startswith(("-", "sovereignty.dev")):
                    continue
                assert "," not in word, command
                assert SAID.search(part), f"{command}: say which clusters have this kind"


@pytest.mark.parametrize("path", sorted({*RUN.values(), *STEPS.values()}))
def test_the_tests_exist(path: str) -> None:
    assert (ROOT / path).exists()
