"""What users copy from our pages."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "crds"
CERTIFICATES = REFERENCE / "certificates.md"
PAGES = tuple(sorted(REFERENCE.glob("*.md")))
"""The reference: a page for each kind, and others."""
README = ROOT / "README.md"


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def examples(page: Path) -> list[dict[str, Any]]:
    """Return every object in the YAML blocks of a page; a block that is a part of one is none."""
    found = [document for block in blocks(page, "yaml") for document in yaml.safe_load_all(block)]
    return [document for document in found if document and "kind" in document]
