"""The options that several commands have. As with kubectl's own commands, they come after the command."""

from enum import StrEnum
from typing import Annotated, Any

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
    Output, typer.Option("--output", "-o", help="text for people, wide for more columns, json or yaml for programs")
]
KubeconfigOption = Annotated[
    str, typer.Option("--kubeconfig", metavar="FILE", help="default: the one that kubectl uses")
]
ContextOption = Annotated[
    str,
    typer.Option("--context", metavar="NAME", help="the context of the kubeconfig", autocompletion=complete_context),
]
AsOption = Annotated[
    str, typer.Option("--as", metavar="USER", help="ask as this user, whom you need the right to impersonate")
]
AsGroupOption = Annotated[
    list[str] | None, typer.Option("--as-group", metavar="GROUP", help="a group of the user of --as; may be repeated")
]


def namespace_option(default: str) -> Any:
    """Return the option --namespace of a command that looks at ``default`` without it, in words."""
    return typer.Option(
        "--namespace", "-n", metavar="NAME", help=f"default: {default}", autocompletion=complete_namespace
    )


NamespaceOption = Annotated[str, namespace_option("the namespace of the context")]
NamespaceOrAllOption = Annotated[str, namespace_option("all namespaces; if you may not list them, that of the context")]
AllNamespacesOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="look at all namespaces")]
OperatorNamespaceOption = Annotated[
    str,
    typer.Option(
        "--operator-namespace",
        metavar="NAME",
        help="the namespace of the operator; default: look for it",
        autocompletion=complete_namespace,
    ),
]


def check_namespaces(namespace: str, *, all_namespaces: bool) -> None:
    """Raise CliError if one namespace is asked for, and all as well."""
    if namespace and all_namespaces:
        raise CliError("-n and -A contradict each other: give one of them")
