"""Runs the commands that pages show, as a user would."""

import os
import re
import subprocess
from pathlib import Path

from hack.cluster.binaries import path
from tests.documents import command_blocks

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


def shell(script: str, kubeconfig: Path, folder: Path) -> str:
    """Run commands of a page as a user would, and return what they print. Fails if one of them does."""
    if not (folder / "kubectl").exists():
        (folder / "kubectl").symlink_to(path("kubectl"))
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
