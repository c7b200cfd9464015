"""Programs in Go that tests compare with, or that ask as a program of Kubernetes does."""

import os
import subprocess
from pathlib import Path

from tests.needs import need


def built(source: Path, folder: Path) -> Path:
    """Build the program of a folder into another one, and return its file. Skips without Go."""
    need("go")
    program = folder / "program"
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    subprocess.run(["go", "build", "-o", program, "."], cwd=source, env=environment, check=True)
    return program
