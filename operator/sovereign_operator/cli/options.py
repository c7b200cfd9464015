"""The options that several commands have. As with kubectl's own commands, they come after the command."""

from enum import StrEnum
from typing import Annotated

import typer

from sovereign_operator.cli.completing import complete_context, complete_namespace
from sovereign_operator.cli.errors import CliError


class Output(StrEnum):
    """How an answer is printed."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="text for people (wide: more of it), or json or yaml for programs")
]
KubeconfigOption = Annotated[str, typer.Option("--kubeconfig", metavar="FILE", help="default: as kubectl")]
ContextOption = Annotated[
    str,
    typer.Option("--context", metavar="NAME", help="the kubeconfig's context to use", autocompletion=complete_context),
]
AsOption = Annotated[
    str, typer.Option("--as", metavar="USER", help="ask as this user, as far as you may impersonate others")
]
AsGroupOption = Annotated[
    list[str] | None, typer.Option("--as-group", metavar="GROUP", help="a group of the user of --as; repeat it")
]
NamespaceOption = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        help="default: the namespace of the context",
        autocompletion=complete_namespace,
    ),
]
AllNamespacesOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="look at all namespaces")]
OperatorNamespaceOption = Annotated[
    str,
    typer.Option(
        "--operator-namespace",
        metavar="NAME",
        help="where the operator is installed; default: find it",
        autocompletion=complete_namespace,
    ),
]


def check_namespaces(namespace: str, *, all_namespaces: bool) -> None:
    """Raise CliError if one namespace is asked for, and all as well."""
    if namespace and all_namespaces:
        raise CliError("-n and -A contradict each other: give one of them")
