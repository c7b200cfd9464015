"""The programs that kubectl runs: ``kubectl-sovereign``, and ``kubectl_complete-sovereign``, which completes it."""

import contextlib
import io
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

NOT_ANSWERED = 2
INTERRUPTED = 130
FILES, NO_FILES = ":0", ":4"
"""Tell kubectl to offer file names, or none.

Source: https://pkg.go.dev/github.com/spf13/cobra#ShellCompDirective
"""
OF_FILES = ("--filename", "-f", "--kubeconfig", "--output-file", "--sign")
"""The options that a file name follows."""
PROGRAM = "kubectl sovereign"
HELP = ("--help", "-h")
COMPLETE = "_KUBECTL_SOVEREIGN_COMPLETE"
OF_TYPER = ("--install-completion", "--show-completion")
"""Options by which Typer would complete another program."""


def main() -> None:
    """Run ``kubectl sovereign``. Exits with 0, 1 or, with one sentence instead of an answer, more."""
    # As other programs whose output goes to `head`: end, and say nothing.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    run(sys.argv[1:])


def run(arguments: Sequence[str]) -> None:
    """Run a command, print what it answers, and exit."""
    try:
        _run(arguments)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run(arguments: Sequence[str]) -> None:
    try:
        from sovereign_operator.cli.app import make  # noqa: PLC0415 - it needs what the extra installs
        from sovereign_operator.cli.errors import CliError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        _fail(f"{error.name} is missing: install this program with its extra, sovereign-operator[cli]")
    if arguments and arguments[0].startswith("-") and arguments[0] not in HELP:
        _fail(f"options such as {arguments[0]} come after the command, as in {PROGRAM} status -n hospital")
    try:
        make()(args=[*arguments], prog_name=PROGRAM)
    except CliError as error:
        _fail(str(error))
    except Exception as error:  # noqa: BLE001 - a person reads it, who has no use for a traceback
        _fail(
            f"this program has an error: {error!r} at {_place(error)}. Please report this sentence and what you asked"
        )


def _place(error: Exception) -> str:
    """Return where in this package an error was raised, or what raised it was called."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "sovereign_operator" in frame.filename]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"


def complete() -> None:
    """Complete a command line, given as its words after ``kubectl sovereign``, the last one as far as it is typed.

    kubectl runs this program. It reads a candidate a line, with a description after a tab, and a directive.
    """
    offer(sys.argv[1:] or [""])
    sys.stdout.flush()
    # Without waiting for a cluster that does not answer.
    os._exit(0)


def offer(words: Sequence[str]) -> None:
    """Print what can follow, and the directive. Says nothing else, whatever goes wrong."""
    line = f"{shlex.join(['sovereign', *words[:-1]])} {words[-1]}"
    os.environ |= {COMPLETE: "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": line}
    shown = io.StringIO()
    silent = contextlib.redirect_stderr(io.StringIO())
    with contextlib.suppress(Exception, SystemExit), contextlib.redirect_stdout(shown), silent:
        from sovereign_operator.cli.app import make  # noqa: PLC0415 - as in main

        make(completing=True)(prog_name=PROGRAM, complete_var=COMPLETE)
    candidates = [found for found in shown.getvalue().splitlines() if found and not found.startswith(OF_TYPER)]
    directive = FILES if words[-2:-1] and words[-2] in OF_FILES else NO_FILES
    sys.stdout.write("\n".join([*candidates, directive]) + "\n")


def _fail(sentence: str) -> None:
    sys.stderr.write(f"error: {sentence}\n")
    sys.exit(NOT_ANSWERED)


if __name__ == "__main__":
    main()
