"""Says whether somebody may read the workloads that a preview is about."""

from collections.abc import Iterable

from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.errors import may_not_read
from sovereign_operator.cli.gather.preview_workloads import TEMPLATED
from sovereign_operator.cli.gather.reader import called
from sovereign_operator.kube.client.resource import NAMESPACES, PODS


def is_complete(unread: Iterable[Unread], where: str) -> bool:
    """Whether all workloads and pods of a namespace, or of all if it is empty, could be read.

    Raises CliError if none could: no workload is not the same as none that may be read.
    """
    refused = {(one.resource, one.namespace) for one in unread}
    wanted = [called(resource) for resource in (*TEMPLATED, PODS)]
    missing = [resource for resource in wanted if (resource, where) in refused]
    if missing == wanted:
        raise may_not_read(", ".join(missing), where)
    # The labels of namespaces say which pods a policy holds, and their list which namespaces there are.
    return not missing and all(resource != called(NAMESPACES) for resource, _ in refused)
