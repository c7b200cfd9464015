"""Which tests run in one process, one after another."""

import pytest

from tests.groups import group_of

KINDS = "tests/e2e/placement/test_kinds.py::test_owned"


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        (f"{KINDS}", "shared cluster"),
        (f"{KINDS}[Deployment-labelled]", "shared cluster"),
        ("tests/e2e/operations/test_scope.py::test_it", "second cluster"),
        ("tests/e2e/operations/test_scope.py::test_it[1.33]", "Kubernetes 1.33"),
        (f"{KINDS}[1.33]", "Kubernetes 1.33"),
        (f"{KINDS}[1.33-Deployment-labelled]", "Kubernetes 1.33"),
        ("tests/e2e/own_cluster/test_three_tiers.py::test_it", "machine"),
        ("tests/cluster/test_spec.py::test_versions[1.33]", "machine"),
        ("tests/chart/test_placement.py::test_it[1.33]", "tests/chart/test_placement.py"),
    ],
)
def test_each_cluster_has_a_group_of_its_own(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group
