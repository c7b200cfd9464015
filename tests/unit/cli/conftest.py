"""What tests of several files in this folder ask for."""

from pathlib import Path

import pytest

from tests.unit.cli.preview_files import Asker


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asker:
    return Asker(tmp_path, capsys)
