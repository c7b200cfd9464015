"""The commands of ``kubectl sovereign``, put together."""

import typer

from sovereign_operator.cli.commands.catalogue import catalogue
from sovereign_operator.cli.commands.explain import explain
from sovereign_operator.cli.commands.nodes import nodes
from sovereign_operator.cli.commands.overviews import check, status, version
from sovereign_operator.cli.commands.preview import preview
from sovereign_operator.cli.commands.report import report

EXIT_CODES = "Exit codes: 0 nothing is wrong, 1 something is, 2 or more: there is no answer."


def make(*, completing: bool = False) -> typer.Typer:
    """Return the program. ``completing``: it is to complete a command line for a shell."""
    app = typer.Typer(
        add_completion=completing,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        epilog=EXIT_CODES,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(about)
    for command in (check, status, preview, explain, report):
        app.command()(command)
    app.add_typer(nodes, name="nodes")
    app.add_typer(catalogue, name="catalogue")
    app.command()(version)
    return app


def about() -> None:
    """Explain where sovereign workloads may run, and why. It reads the cluster with your rights, and changes nothing.

    The usual order: check --pre before you install the operator; catalogue and nodes declare to record facts; preview
    before a namespace enforces a policy; status and explain from then on.
    """
