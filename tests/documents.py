"""What users copy from the documentation."""

import itertools
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "crds"
CERTIFICATES = REFERENCE / "certificates.md"
PAGES = tuple(sorted(REFERENCE.glob("*.md")))
"""The reference: one page for each kind, and further pages."""
README = ROOT / "README.md"
CHART = ROOT / "charts" / "sovereign-operator"
RUNBOOK = CHART / "RUNBOOK.md"
PROGRAMS = "kubectl|helm"
"""Whose commands steps have."""


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def command_blocks(page: Path) -> list[str]:
    """Return the blocks of a page that have no language, without their indent: commands, or drawings."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    plain = [(indent, text) for indent, language, text in found if not language]
    return ["\n".join(line.removeprefix(indent) for line in text.splitlines()) for indent, text in plain]


def inline_commands(text: str, programs: str = "kubectl") -> list[str]:
    """Return the commands that stand within text, each on one line. ``programs`` is a pattern."""
    plain = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [" ".join(command.split()) for command in re.findall(rf"`((?:{programs}) [^`]*)`", plain)]


def steps(page: Path) -> list[tuple[str, str]]:
    """Return the numbered steps of a page, each with the heading above it."""
    found, heading, lines = [], "", page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if re.match(r"\d+\. ", line):
            rest = itertools.takewhile(lambda more: not more or more.startswith("  "), lines[number + 1 :])
            found.append((heading, "\n".join([line, *rest])))
    return found


def step_commands(page: Path, heading: str = "") -> list[str]:
    """Return the commands within the numbered steps of a page, or of the part of it with this heading."""
    return [one for above, step in steps(page) if heading in {"", above} for one in inline_commands(step, PROGRAMS)]


def examples(page: Path) -> list[dict[str, Any]]:
    """Return every object in the YAML blocks of a page, without blocks that show only a part of an object."""
    found = [document for block in blocks(page, "yaml") for document in yaml.safe_load_all(block)]
    return [document for document in found if document and "kind" in document]
