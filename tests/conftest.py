"""Options of all tests, the order in which they run, and which of them run at the same time.

``make test`` runs them in two processes (pytest-xdist), which take groups of tests in turn. A group runs in one
process, in order. Tests on the shared cluster are one group, and those that change the machine itself are another: both
are long, so they run in parallel. Every other file is a group of its own. More clusters at once make two cores no
faster: with a third one, tests ran into their time limits. So each cluster is taken down with the last test of its
folder.
"""

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# These modules contain assertions, too, and pytest explains only those in modules that it has rewritten.
pytest.register_assert_rewrite("tests.dataplane", "tests.e2e.support", "tests.unit.sidecar.injected_pods")

E2E = Path(__file__).with_name("e2e")
GROUPS = {
    "tests/e2e/own_cluster/": "machine",
    "tests/e2e/": "shared cluster",
    "tests/cluster/": "machine",
    "tests/dataplane/": "machine",
    "tests/images/": "machine",
}
"""The group of the tests in a folder; the first matching entry counts."""


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process one group after another."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the group of a test. pytest-xdist 3.8 does not find the group marker with pytest 9.2."""
        return next((group for folder, group in GROUPS.items() if nodeid.startswith(folder)), nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Make pytest-xdist give whole groups to its processes."""
    return Groups(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-cluster", action="store_true", help="leave the e2e tests' cluster running, for a look")
    parser.addoption("--cluster", default="sovereign-test", help="name of the e2e tests' cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the cluster tests in the order of their file names, and tests marked ``last`` at the end.

    The cluster tests share one cluster, and what one test leaves there can matter to the next: test_guards counts
    Events about broken guards, and test_scope breaks them all. So file names decide the order, whichever folder a file
    is in.
    """
    on_cluster = iter(sorted((item for item in items if E2E in item.path.parents), key=lambda item: item.path.name))
    items[:] = [next(on_cluster) if E2E in item.path.parents else item for item in items]
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)
