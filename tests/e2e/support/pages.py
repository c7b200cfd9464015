"""Runs the commands that pages show, as a user would."""

import re
import subprocess
from pathlib import Path

from hack.cluster.binaries import path
from tests.documents import RUNBOOK, command_blocks
from tests.e2e.support.client import on_path

PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]{2,}\b")


def commands(page: Path, words: str) -> str:
    """Return the block of commands of a page that contains these words."""
    (found,) = (block for block in command_blocks(page) if words in block)
    return found


def filled(script: str, **values: str) -> str:
    """Write values in place of the words in capitals that a page leaves to its readers. Fails if one is left."""
    for name, value in values.items():
        script = re.sub(rf"\b{name}\b", value, script)
    # What stands in quotes is the name of a column.
    left = PLACEHOLDER.findall(re.sub(r"'[^']*'", "", script))
    assert not left, f"{script} leaves {left} to its reader"
    return script


def runbook(alert: str, part: str) -> str:
    """Return a part of the section of the runbook about an alert: Meaning, At stake, Look or Do."""
    text = RUNBOOK.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {alert}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    (found,) = re.findall(rf"^\*\*{part}\.\*\*(.*?)(?=^\*\*|\Z)", section, re.DOTALL | re.MULTILINE)
    return str(found)


def words_like(shown: str) -> re.Pattern[str]:
    """Return what matches text as a page shows it: with other white space, and anything in place of dots."""
    return re.compile(".*".join(r"\s+".join(map(re.escape, part.split())) for part in shown.split("...")), re.DOTALL)


def shell(script: str, kubeconfig: Path, folder: Path, *, fails: bool = False) -> str:
    """Run commands of a page as a user would, and return what they print. Fails if one of them does.

    With ``fails`` the last one has to, and what it says is returned. A ``grep`` that finds nothing is no failure.
    """
    if not (folder / "kubectl").exists():
        (folder / "kubectl").symlink_to(path("kubectl"))
    environment = on_path(folder) | {"KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if fails:
        assert done.returncode, done.stdout
        return done.stderr
    if script.startswith("kubectl sovereign"):
        # It ends with 1 if it has found something.
        assert done.returncode in {0, 1}, done.stderr
        return done.stdout
    nothing_found = done.returncode == 1 and "| grep" in script and not done.stderr
    assert done.returncode == 0 or nothing_found, done.stderr
    return done.stdout
