"""What tests need of the machine. Without it they are skipped, or fail with the option ``--complete``."""

import os
import shutil

import pytest

AS_ROOT = "root"


def need(*wanted: str) -> None:
    """Skip the test, or all that use the fixture, that calls this unless the machine has what is wanted.

    Names are of programs, or AS_ROOT.
    """
    if missing := _missing(wanted):
        pytest.skip(_say(missing))


def needing(*wanted: str) -> pytest.MarkDecorator:
    """Return the same as a mark of a test, or of a module's tests."""
    missing = _missing(wanted)
    return pytest.mark.skipif(bool(missing), reason=_say(missing))


def _missing(wanted: tuple[str, ...]) -> list[str]:
    return [name for name in wanted if (os.geteuid() if name == AS_ROOT else not shutil.which(name))]


def _say(missing: list[str]) -> str:
    return f"needs {' and '.join(missing)}"
