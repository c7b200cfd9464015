"""``nodes`` and ``nodes declare``."""

from typing import Annotated

import typer

from sovereign_operator.cli.answers.declaration import Declaration, declare
from sovereign_operator.cli.answers.estate import Estate, Kept
from sovereign_operator.cli.answers.nodes import NodeList, list_nodes
from sovereign_operator.cli.completing import complete_node
from sovereign_operator.cli.connection import Access
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.gather.estate import read_estate
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.cli.options import Output, OutputOption
from sovereign_operator.cli.running import ask, finish, with_access
from sovereign_operator.cli.show.declarations import declaration_text
from sovereign_operator.cli.show.overviews import show_nodes
from sovereign_operator.core.report.conditions import examples

NamesArgument = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="nodes at one site", autocompletion=complete_node),
]

nodes = typer.Typer(invoke_without_command=True, no_args_is_help=False, rich_markup_mode=None)


@nodes.callback()
@with_access
def list_all(
    command: typer.Context,
    *,
    output: OutputOption = Output.TEXT,
    access: Access,
) -> None:
    """List nodes, with their datacentres and who accepts them."""
    if command.invoked_subcommand:
        return

    async def question(reader: Reader, _: str) -> NodeList:
        return list_nodes(await _estate(reader))

    finish(ask(access, question), output, lambda found: show_nodes(found, wide=output is Output.WIDE))


@nodes.command("declare")
@with_access
def declare_nodes(
    names: NamesArgument,
    *,
    output: OutputOption = Output.TEXT,
    access: Access,
) -> None:
    """Print a Datacentre for some nodes, for you to complete.

    It contains their names and uids. What their kubelets report is in comments, for you to check.
    """

    async def question(reader: Reader, _: str) -> Declaration:
        estate = await _estate(reader)
        unknown = [name for name in names if name not in estate.facts.nodes]
        if unknown:
            raise CliError(f"there is no node {', '.join(unknown)}: there are {examples(sorted(estate.facts.nodes))}")
        return declare(names, estate)

    finish(ask(access, question), output, declaration_text)


async def _estate(reader: Reader) -> Estate:
    estate = await read_estate(reader)
    if Kept.NODES not in estate.known:
        raise CliError("you may not list nodes: ask a cluster admin to run the same command")
    return estate
