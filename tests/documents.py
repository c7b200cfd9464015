"""What users copy from the documentation."""

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


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def command_blocks(page: Path) -> list[str]:
    """Return the blocks of a page that have no language, without their indent: commands, or drawings."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    plain = [(indent, text) for indent, language, text in found if not language]
    return ["\n".join(line.removeprefix(indent) for line in text.splitlines()) for indent, text in plain]


def examples(page: Path) -> list[dict[str, Any]]:
    """Return every object in the YAML blocks of a page, without blocks that show only a part of an object."""
    found = [document for block in blocks(page, "yaml") for document in yaml.safe_load_all(block)]
    return [document for document in found if document and "kind" in document]
