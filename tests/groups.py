"""Which tests run in one process, one after another, and in which order those on clusters do."""

import re
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

E2E = Path(__file__).with_name("e2e")
GROUPS = {
    "tests/e2e/encryption/test_injector_availability.py": "second cluster",
    "tests/e2e/encryption/test_no_plaintext.py": "second cluster",
    "tests/e2e/encryption/test_others_encrypted.py": "second cluster",
    "tests/e2e/operations/test_cli_report.py": "second cluster",
    "tests/e2e/operations/test_demo.py": "second cluster",
    "tests/e2e/operations/test_guards.py": "second cluster",
    "tests/e2e/operations/test_scope.py": "second cluster",
    "tests/e2e/operations/test_step_commands.py": "second cluster",
    "tests/e2e/placement/test_drift.py": "second cluster",
    "tests/e2e/placement/test_previews_come_true.py": "second cluster",
    "tests/e2e/own_cluster/": "machine",
    "tests/e2e/": "shared cluster",
    "tests/cluster/": "machine",
    "tests/dataplane/": "machine",
    "tests/images/": "machine",
    "tests/machines/": "machine",
}
"""The group of the tests in a folder or file; the first matching entry counts. What has the operator use a right that
nothing else has it use stays in the group of test_controller_access."""
OLDER = re.compile(r"tests/e2e/.*\[(?P<kubernetes>1\.\d+)[]-]")
"""The id of a test's run on an older Kubernetes."""


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process one group after another."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the group of a test. pytest-xdist 3.8 does not find the group marker with pytest 9.2."""
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """Return the group of a test, given its id."""
    if older := OLDER.match(nodeid):
        return f"Kubernetes {older['kubernetes']}"
    return next((group for folder, group in GROUPS.items() if nodeid.startswith(folder)), nodeid.partition("::")[0])


def order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return all tests, with those of one cluster after those of another, in the order of their file names.

    What one test leaves on a cluster can matter to the next: test_guards counts Events about broken guards, and
    test_scope breaks them all. So file names decide the order, whichever folder a file is in; but tests marked ``last``
    are the last ones on their cluster.
    """
    on_cluster = iter(sorted(filter(_is_on_cluster, items), key=_place_of))
    return [next(on_cluster) if _is_on_cluster(item) else item for item in items]


def _is_on_cluster(item: pytest.Item) -> bool:
    return E2E in item.path.parents


def _place_of(item: pytest.Item) -> tuple[bool, bool, str, str, int]:
    _, line, _ = item.location
    is_older, is_last = bool(OLDER.match(item.nodeid)), item.get_closest_marker("last") is not None
    return is_older, is_last, item.path.name, str(item.path), line or 0
