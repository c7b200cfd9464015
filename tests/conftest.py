"""Options of all tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-cluster", action="store_true", help="leave the e2e tests' cluster running, for a look")
    parser.addoption("--cluster", default="sovereign-test", help="name of the e2e tests' cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run last what judges all that the others made happen."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)
