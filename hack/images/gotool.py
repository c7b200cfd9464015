"""Programs of public Go modules, built as Go tools: a go.mod pins them, and there is no Go code here."""

import os
import shutil
import subprocess
from pathlib import Path

from hack.images import cache
from hack.images.errors import ImageBuildError

MODULES = Path(__file__).parent / "go"


def build(name: str) -> Path:
    """Return the program of ``go/<name>/go.mod``, built on first use. Raises ImageBuildError."""
    module = MODULES / name
    if shutil.which("go") is None:
        raise ImageBuildError(f"go is missing: {name} is built from source")
    pins = [(module / file).read_text() for file in ("go.mod", "go.sum")]
    folder = cache.locate_root() / "programs" / cache.make_key(_run(module, "version"), pins)[:16]
    return cache.produce(folder / name, lambda made: _build(module, made))


def find_version(name: str) -> str:
    """Return ``<module path> <version>`` of the module that contains the tool of ``go/<name>/go.mod``."""
    tool = next(
        line.split()[1] for line in (MODULES / name / "go.mod").read_text().splitlines() if line.startswith("tool ")
    )
    return _run(MODULES / name, "list", "-f", "{{.Module.Path}} {{.Module.Version}}", tool).strip()


def _build(module: Path, made: Path) -> None:
    _run(module, "build", "-trimpath", "-ldflags=-s -w", "-o", str(made), "tool")


def _run(module: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["go", *arguments],
        check=False,
        cwd=module,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        tail = "\n".join(result.stderr.splitlines()[-20:])
        raise ImageBuildError(f"go {arguments[0]} in {module.name} failed:\n{tail}")
    return result.stdout
