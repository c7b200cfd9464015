"""Runs a command: connects, has it answer, prints the answer, and ends with its exit code."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn, TypeVar

import typer

from sovereign_operator.cli.answers.answer import Answer
from sovereign_operator.cli.connection import Access, connected
from sovereign_operator.cli.gather.reader import Reader
from sovereign_operator.cli.options import Output
from sovereign_operator.cli.show.blocks import Block, print_blocks
from sovereign_operator.cli.show.document import as_json, as_yaml

A = TypeVar("A", bound=Answer)
Ask = Callable[[Reader, str], Awaitable[A]]
"""Answers, given a reader and the namespace of the context."""


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
