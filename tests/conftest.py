"""Options of all tests, the order in which they run, and which of them run at the same time.

``make test`` runs them in two processes (pytest-xdist), which take groups of tests in turn, those of most tests first.
A group runs in one process, in order. Tests on the shared cluster are one group, and those that change the machine
itself are another: both are long, so they run in parallel. Some files whose tests are few and take long are a third
one: the process that is done first brings up a second cluster for them, while the first group goes on. Every other file
is a group of its own. More clusters at once make two cores no faster: with a third one, tests ran into their time
limits. So each cluster is taken down with the last test of its folder.

Tests marked ``every_kubernetes`` run a second time, on a cluster with an older Kubernetes. Those runs are a group of
their own, which follows the two long ones: that Kubernetes is built and brought up while the other process goes on.
"""

import signal
from collections.abc import Generator
from typing import Any

import pytest

from hack.cluster.spec import KUBERNETES_VERSIONS
from tests.groups import Groups, order

# These modules contain assertions, too, and pytest explains only those in modules that it has rewritten.
pytest.register_assert_rewrite("tests.dataplane", "tests.e2e.support", "tests.unit.sidecar.injected_pods")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has its background jobs ignore it, and so would the programs under test that these start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Make pytest-xdist give whole groups to its processes."""
    return Groups(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-cluster", action="store_true", help="leave the e2e tests' clusters running, for a look")
    parser.addoption(
        "--cluster",
        default="sovereign-test",
        help="name of the e2e tests' cluster; one with an older Kubernetes is called NAME-1-33",
    )
    parser.addoption(
        "--kubernetes",
        choices=KUBERNETES_VERSIONS,
        default=KUBERNETES_VERSIONS[0],
        help="where tests marked every_kubernetes run besides on the newest Kubernetes (default: %(default)s)",
    )
    parser.addoption(
        "--complete", action="store_true", help="fail what would be skipped because the machine lacks something"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have a skipped test fail with ``--complete``: CI proves nothing with it, and nobody would notice."""
    report = yield
    if report.skipped and item.config.getoption("--complete"):
        report.outcome, report.longrepr = "failed", f"skipped, with --complete: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = order(items)
