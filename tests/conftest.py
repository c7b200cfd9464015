"""Options of all tests, and the order in which they run."""

from pathlib import Path

import pytest

# These assert, too, and pytest only explains what it has rewritten.
pytest.register_assert_rewrite("tests.dataplane.talk", "tests.e2e.support")

E2E = Path(__file__).with_name("e2e")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-cluster", action="store_true", help="leave the e2e tests' cluster running, for a look")
    parser.addoption("--cluster", default="sovereign-test", help="name of the e2e tests' cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests on a cluster by the names of their files, and last what judges all that the others made happen.

    They share one cluster, and what one test leaves there can matter to the next: test_guards counts Events about
    broken guards, and test_scope breaks them all. So the order is that of file names, whichever folder a file is in.
    """
    on_cluster = iter(sorted((item for item in items if E2E in item.path.parents), key=lambda item: item.path.name))
    items[:] = [next(on_cluster) if E2E in item.path.parents else item for item in items]
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)
