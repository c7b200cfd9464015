"""Runs a command: connects, has it answer, prints the answer, and ends with its exit code."""

import asyncio
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

import typer

from sovereign_operator.cli.answers.answer import Answer
from sovereign_operator.cli.connection import Access, connected
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.cli.options import AsGroupOption, AsOption, ContextOption, KubeconfigOption, Output
from sovereign_operator.cli.show.blocks import Block, print_blocks
from sovereign_operator.cli.show.document import as_json, as_yaml

A = TypeVar("A", bound=Answer)
Ask = Callable[[Reader, str], Awaitable[A]]
"""Answers, given a reader and the namespace of the context."""


def _access(
    *, context: ContextOption = "", kubeconfig: KubeconfigOption = "", user: AsOption = "", groups: AsGroupOption = None
) -> Access:
    """Return which cluster to ask, and as whom. Its parameters are options of each command that asks one."""
    return Access(kubeconfig, context, user, tuple(groups or ()))


def with_access(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which cluster to ask, and as whom, in place of its parameter ``access``."""
    signature, shared = inspect.signature(command), inspect.signature(_access).parameters
    own = [parameter for name, parameter in signature.parameters.items() if name != "access"]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        options = {name: given.pop(name) for name in shared}
        command(**given, access=_access(**options))

    run.__signature__ = signature.replace(parameters=[*own, *shared.values()])  # type: ignore[attr-defined]
    return run


def ask(access: Access, question: Ask[A]) -> A:
    """Return the answer of a cluster, with what the caller may not read. Raises CliError."""
    return asyncio.run(_ask(access, question))


async def _ask(access: Access, question: Ask[A]) -> A:
    async with connected(access) as connection:
        reader = Reader(connection.api)
        answer = await question(reader, connection.namespace)
        return replace(answer, unread=reader.unread)


def finish(answer: A, output: Output, show: Callable[[A], list[Block] | str]) -> NoReturn:
    """Print an answer, and end the program with its exit code. ``show`` returns the text for people."""
    match output:
        case Output.JSON:
            sys.stdout.write(as_json(answer))
        case Output.YAML:
            sys.stdout.write(as_yaml(answer))
        case Output.TEXT | Output.WIDE:
            shown = show(answer)
            if isinstance(shown, str):
                sys.stdout.write(shown)
            else:
                print_blocks(shown)
    raise typer.Exit(answer.exit_code)
