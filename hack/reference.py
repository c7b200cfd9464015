"""Write the tables of reasons into the pages of crds/, from the rows beside the constants.

``python -m hack.reference`` writes, with ``--check`` it only compares.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Final

from sovereign_operator.core.identity.request_reasons import Delay, Denial
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.encryption_reasons import EncryptionReason
from sovereign_operator.core.report.reason import Reason
from sovereign_operator.core.report.reasons import NodeReason

PAGES: Final = Path(__file__).parents[1] / "crds"
REASONS: Final[tuple[type[Reason], ...]] = (NodeReason, ConditionReason, EncryptionReason, Delay, Denial)
BLOCK: Final = re.compile(
    r"^<!-- reasons: (?P<table>\w+)(?: (?P<conditions>[\w, ]+))? -->\n.*?^<!-- end -->$", re.DOTALL | re.MULTILINE
)
STATUSES: Final = ("True", "False", "Unknown")


def render(block: re.Match[str]) -> str:
    """Return a block of a page with the rows of its table, by condition in the order that the block names."""
    table, conditions = block["table"], [name.strip() for name in (block["conditions"] or "").split(",")]
    found = [(row, reason) for reasons in REASONS for reason in reasons for row in reason.rows if row.table == table]
    if not found:
        raise ValueError(f"no reason has a row in table {table}: correct the marker {block[0].splitlines()[0]}")
    if conditions == [""]:
        lines = ["| Reason | Meaning | What to do |", "|---|---|---|"]
        lines += [f"| `{reason}` | {row.meaning} | {row.remedy} |" for row, reason in found]
    else:
        places = {f"{name} {status}": (name, status) for name in conditions for status in STATUSES}
        order = list(places)
        found.sort(key=lambda one: order.index(one[0].condition))
        lines = ["| Condition | Reason | Meaning | What to do |", "|---|---|---|---|"]
        for row, reason in found:
            name, status = places[row.condition]
            lines.append(f"| `{name}` {status} | `{reason}` | {row.meaning} | {row.remedy} |")
    return "\n".join([block[0].splitlines()[0], *lines, "<!-- end -->"]).replace(" |  |", " | |")


def main() -> None:
    """Write or compare all pages."""
    parser = argparse.ArgumentParser(prog="python -m hack.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page would change")
    check = parser.parse_args().check
    changed = []
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        wanted = BLOCK.sub(render, text)
        if wanted != text:
            changed.append(page.name)
            if not check:
                page.write_text(wanted, encoding="utf-8")
    if check and changed:
        sys.exit(f"{', '.join(changed)} in crds/ differ from the reasons: run make crds")


if __name__ == "__main__":
    main()
