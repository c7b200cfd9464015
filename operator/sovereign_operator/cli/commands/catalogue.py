"""``catalogue list``, ``show`` and ``diff``."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from sovereign_operator.cli.answers.catalogue import CatalogueDifferences, CatalogueEntry, compare, list_catalogue
from sovereign_operator.cli.connection import Access
from sovereign_operator.cli.errors import CliError
from sovereign_operator.cli.gather.catalogue import read_services, read_shipped
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.cli.options import Output, OutputOption
from sovereign_operator.cli.running import ask, finish, with_access
from sovereign_operator.cli.show.declarations import entry_text, show_catalogue, show_differences

catalogue = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def complete_service(incomplete: str) -> list[str]:
    """Return the services of the catalogue that begin like this, for a shell."""
    return [name for name in read_shipped()[1] if name.startswith(incomplete)]


NameArgument = Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete_service)]
NamesArgument = Annotated[list[str], typer.Argument(metavar="[NAME...]", autocompletion=complete_service)]


@catalogue.callback()
def about() -> None:
    """Show the shipped facts about cloud services."""


@catalogue.command("list")
def list_services(*, output: OutputOption = Output.TEXT) -> None:
    """List the services, with what is in force today.

    It needs no cluster.
    """
    shipped, _ = read_shipped()
    answer = list_catalogue(shipped, datetime.now(UTC))
    finish(answer, output, lambda found: show_catalogue(found, wide=output is Output.WIDE))


@catalogue.command("show")
def show_service(name: NameArgument, *, output: OutputOption = Output.TEXT) -> None:
    """Print a service as a manifest, with its sources.

    It needs no cluster.
    """
    shipped, manifests = read_shipped()
    _must_exist([name], manifests)
    answer = CatalogueEntry(as_of=shipped.as_of, authority=shipped.authority, manifest=manifests[name])
    finish(answer, output, entry_text)


@catalogue.command("diff")
@with_access
def diff(
    names: NamesArgument = [],  # noqa: B006 - Typer copies it
    *,
    output: OutputOption = Output.TEXT,
    access: Access,
) -> None:
    """Compare the cluster's CloudServices with the shipped ones: all, or those that you name."""
    shipped, manifests = read_shipped()
    _must_exist(names, manifests)

    async def question(reader: Reader, _: str) -> CatalogueDifferences:
        found = await read_services(reader)
        if found is None:
            raise CliError("you may not list CloudServices: ask a cluster admin to run the same command")
        services, unreadable = found
        return compare(shipped, services, unreadable=unreadable, asked=tuple(names))

    finish(
        ask(access, question),
        output,
        lambda found: show_differences(found, wide=output is Output.WIDE),
    )


def _must_exist(names: list[str], manifests: dict[str, dict[str, object]]) -> None:
    unknown = [name for name in names if name not in manifests]
    if unknown:
        raise CliError(f"the catalogue has no service {', '.join(unknown)}: kubectl sovereign catalogue list names all")
