"""The demo's output: titles, commands, results, notes."""

import sys

BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def title(text: str) -> None:
    """Print the title of a part."""
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def ran(command: str, outcome: str = "") -> None:
    """Print a command and, on the same line, a short outcome."""
    words = " ".join(outcome.split())
    print(f"{DIM}$ {command}{PLAIN}" + (f"  ->  {words}" if words else ""), flush=True)


def result(text: str) -> None:
    """Print an answer."""
    print("\n".join(f"  {line.rstrip()}" for line in text.strip().splitlines()), flush=True)


def note(text: str) -> None:
    """Print a measurement, or a next step."""
    print(f"  {text}", flush=True)
