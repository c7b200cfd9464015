"""No workload that may be read is not no workload."""

from collections.abc import Iterable

import pytest

from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.gather.preview_rights import is_complete

WORKLOADS = (
    *("deployments.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch", "cronjobs.batch"),
    *("replicasets.apps", "replicationcontrollers", "pods"),
)


def refused(resources: Iterable[str], where: str) -> list[Unread]:
    return [Unread(resource, where, "", "forbidden") for resource in resources]


@pytest.mark.parametrize(
    ("where", "who"), [("ward", "an admin of namespace ward for `view`"), ("", "a cluster admin for this right")]
)
def test_who_may_read_no_workload_gets_no_answer(where: str, who: str) -> None:
    with pytest.raises(CliError) as error:
        is_complete(refused(WORKLOADS, where), where)
    named = f" in namespace {where}" if where else ""
    assert str(error.value) == f"you may not read {', '.join(WORKLOADS)}{named}: ask {who}"


@pytest.mark.parametrize(
    ("unread", "complete"),
    [
        ([], True),
        (refused(["nodes", "datacentres.sovereignty.dev"], ""), True),
        # Those of the namespace were listed after that.
        (refused(["pods"], ""), True),
        # The operator's own.
        (refused(["deployments.apps"], "sovereign-system"), True),
        (refused(["jobs.batch"], "ward"), False),
        (refused(WORKLOADS[:-1], "ward"), False),
        (refused(["namespaces"], ""), False),
        ([Unread("namespaces", "", "ward", "forbidden")], False),
    ],
)
def test_who_may_read_some_is_told_so(unread: list[Unread], *, complete: bool) -> None:
    assert is_complete(unread, "ward") is complete
