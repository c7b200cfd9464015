"""``version``, ``status`` and ``check``."""

from dataclasses import replace
from typing import Annotated

import typer

from sovereign_operator.cli.answers.check import Check, check_operator
from sovereign_operator.cli.answers.preflight import check_cluster
from sovereign_operator.cli.answers.status import Status, report_status
from sovereign_operator.cli.answers.version import Version
from sovereign_operator.cli.connection import Access
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.gather.check import client_version, read_cluster, read_operator, read_version
from sovereign_operator.cli.gather.estate import read_estate
from sovereign_operator.cli.gather.installation import ALL_KINDS, find_installation
from sovereign_operator.cli.gather.obstacles import read_called_anywhere
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.cli.gather.status import read_status
from sovereign_operator.cli.options import (
    AllNamespacesOption,
    NamespaceOrAllOption,
    OperatorNamespaceOption,
    Output,
    OutputOption,
    check_namespaces,
)
from sovereign_operator.cli.running import ask, finish, with_access
from sovereign_operator.cli.show.overviews import show_check, show_status, show_version


@with_access
def version(
    *,
    client: Annotated[bool, typer.Option("--client", help="of this program alone, without a cluster")] = False,
    output: OutputOption = Output.TEXT,
    access: Access,
    operator_namespace: OperatorNamespaceOption = "",
) -> None:
    """Show the version of each part: client, chart, images and kinds."""

    async def question(reader: Reader, _: str) -> Version:
        return await read_version(reader, await find_installation(reader, operator_namespace, ALL_KINDS))

    if client:
        answer = Version(client=client_version(), server="", chart="", namespace="", processes=(), crds=())
    else:
        answer = ask(access, question)
    finish(answer, output, lambda found: show_version(found, wide=output is Output.WIDE))


@with_access
def status(
    *,
    namespace: NamespaceOrAllOption = "",
    all_namespaces: AllNamespacesOption = False,
    output: OutputOption = Output.TEXT,
    access: Access,
    operator_namespace: OperatorNamespaceOption = "",
) -> None:
    """Show the state of policies, datacentres and workloads.

    It lists policies, datacentres and what ends next, the pods of namespaces that enforce a policy or only try one
    (labels warn and audit), SovereignWorkloads by state, and derogations. It looks at all namespaces if you may list
    them, otherwise at the namespace of your context.
    """

    async def question(reader: Reader, own: str) -> Status:
        estate = await read_estate(reader)
        installation = await find_installation(reader, operator_namespace)
        seen = await read_status(reader, estate, installation, namespace)
        if not namespace and not all_namespaces and seen.namespaces is None:
            seen = replace(await read_status(reader, estate, installation, own), narrowed=True)
        answer = report_status(seen, estate, reader.now())
        if answer.is_empty:
            raise CliError(
                "you may read nothing that a status is made of: ask an admin of your namespace for `view`, or name a "
                "namespace of yours with -n"
            )
        return answer

    check_namespaces(namespace, all_namespaces=all_namespaces)
    finish(
        ask(access, question),
        output,
        lambda found: show_status(found, wide=output is Output.WIDE),
    )


@with_access
def check(
    *,
    pre: Annotated[bool, typer.Option("--pre", help="before an installation: check the cluster instead")] = False,
    output: OutputOption = Output.TEXT,
    access: Access,
    operator_namespace: OperatorNamespaceOption = "",
) -> None:
    """Check that the operator works, or that it can be installed.

    Are its processes ready, does one replica lead, are the guards in place, and is everything of one version? With
    --pre: does this cluster have what the operator needs?
    """

    async def question(reader: Reader, _: str) -> Check:
        if pre:
            return check_cluster(await read_cluster(reader))
        installation = await find_installation(reader, operator_namespace, ALL_KINDS)
        seen = await read_operator(reader, installation)
        complete = seen.crds is not None and all(crd.found for crd in seen.crds)
        if not complete:
            return check_operator(seen, None)
        estate = await read_estate(reader)
        return check_operator(seen, estate, await read_called_anywhere(reader, estate))

    finish(
        ask(access, question),
        output,
        lambda found: show_check(found, wide=output is Output.WIDE),
    )
