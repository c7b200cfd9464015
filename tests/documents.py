"""The YAML that users copy from our pages."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "crds" / "README.md"
README = ROOT / "README.md"


def examples(page: Path) -> list[dict[str, Any]]:
    """Return every object in the YAML blocks of a page."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [document for block in blocks for document in yaml.safe_load_all(block) if document]
