"""Generate the chart's dashboard, or draw what it shows.

``python -m hack.dashboard`` writes the JSON file; ``--check`` only compares it. ``--picture FILE`` draws what the
dashboard shows of a Prometheus (``--prometheus URL``) into an SVG file, with the answers to its own queries.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Final

from hack.dashboard.grafana import dashboard
from hack.dashboard.picture import draw
from hack.dashboard.prometheus import Prometheus

FILE: Final = Path(__file__).parents[2] / "charts" / "sovereign-operator" / "files" / "dashboard.json"
HOURS: Final = 6


def main() -> None:
    """Write or compare the file, or draw the picture."""
    parser = argparse.ArgumentParser(prog="python -m hack.dashboard", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the file would change")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw what it shows")
    parser.add_argument("--prometheus", default="http://localhost:9090", metavar="URL", help="where to ask")
    given = parser.parse_args()
    if given.picture:
        now = time.time()
        given.picture.write_text(draw(Prometheus(given.prometheus), now - HOURS * 3600, now), encoding="utf-8")
        return
    wanted = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
    if FILE.exists() and FILE.read_text(encoding="utf-8") == wanted:
        return
    if given.check:
        sys.exit(f"{FILE.name} differs from what it is generated from: run make crds")
    FILE.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
