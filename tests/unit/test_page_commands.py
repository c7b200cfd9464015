"""Every block of commands of README, reference and runbook is run by a test, or it is known why not."""

import pytest

from tests.documents import PAGES, README, ROOT, RUNBOOK, command_blocks

COMMANDS = "tests/e2e/operations/test_page_commands.py"
DEROGATIONS = "tests/e2e/operations/test_derogation_pages.py"
PLUGIN = "tests/unit/cli/test_page.py"

RUN = {
    ("README.md", "make demo"): "tests/e2e/operations/test_demo.py",
    ("README.md", "$ kubectl get sovereignworkloads -A"): COMMANDS,
    ("derogation.md", "kubectl create clusterrolebinding"): COMMANDS,
    ("derogation.md", "kubectl get derogation armor-public-pilot"): DEROGATIONS,
    ("derogation.md", "kubectl patch derogation armor-public-pilot"): DEROGATIONS,
    ("encryption.md", "kubectl -n sovereign-system get pods"): COMMANDS,
    ("operations.md", "kubectl -n sovereign-system get configmap"): COMMANDS,
    ("operations.md", "kubectl get sovereigntypolicies"): DEROGATIONS,
    ("reports.md", "$ kubectl -n hospital get report"): "tests/e2e/operations/test_reports.py",
    ("sovereigntypolicy.md", "kubectl apply -f - <<END"): COMMANDS,
    ("sovereigntypolicy.md", "for namespace in"): COMMANDS,
    ("sovereignworkload.md", "kubectl label namespace hospital sovereignty.dev/enforce"): COMMANDS,
    ("sovereignworkload.md", "kubectl get pods -A"): COMMANDS,
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

BLOCKS = [(page.name, block) for page in (README, *PAGES, RUNBOOK) for block in command_blocks(page)]


def named(page: str, block: str) -> list[tuple[str, str]]:
    """Return the entries about a block."""
    return [key for known in (RUN, LEFT, SHOWN) for key in known if key[0] == page and block.startswith(key[1])]


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{page} {block[:40]}" for page, block in BLOCKS])
def test_a_block_is_run_or_it_is_known_why_not(page: str, block: str) -> None:
    assert len(named(page, block)) == 1


def test_there_is_no_entry_about_a_block_that_is_gone() -> None:
    assert {*RUN, *LEFT, *SHOWN} == {key for page, block in BLOCKS for key in named(page, block)}


@pytest.mark.parametrize("path", sorted({*RUN.values()}))
def test_the_tests_exist(path: str) -> None:
    assert (ROOT / path).exists()
