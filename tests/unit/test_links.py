"""Links between the pages of this repository lead to existing files and headings."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.documents import ROOT

LINK = re.compile(r"\[[^\]]*\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    """Return the pages in git, without those of other projects."""
    listed = subprocess.run(("git", "ls-files", "*.md"), cwd=ROOT, capture_output=True, text=True, check=True)
    found = [ROOT / name for name in listed.stdout.splitlines() if not name.startswith("tests/data/")]
    return [page for page in found if page.exists()]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub names them."""
    plain = CODE.sub("", page.read_text(encoding="utf-8"))
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(plain))
    return {found.strip().replace(" ", "-") for found in words}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINK.finditer(CODE.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.exists(), f"{link[0]} leads nowhere"
        if link["heading"]:
            assert link["heading"] in anchors(target), f"{link[0]} leads to no heading"


def test_who_installs_with_encryption_is_led_to_what_it_needs_and_what_is_noticed_of_it() -> None:
    notes = (ROOT / "charts/sovereign-operator/templates/NOTES.txt").read_text(encoding="utf-8")
    named = {ROOT / name for name in re.findall(r"crds/[a-z-]+\.md", notes)}
    assert named >= {ROOT / "crds/encryption.md", ROOT / "crds/tcp.md"}
    assert {page for page in named if not page.exists()} == set()
