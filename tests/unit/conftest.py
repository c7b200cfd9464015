"""How hypothesis runs here: the machine may be shared, so no example is timed."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from sovereign_operator.kube.unreadable import UNREADABLE

settings.register_profile("unit", deadline=None, max_examples=100)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def nothing_unreadable() -> Iterator[None]:
    """Begin with what a process begins with."""
    UNREADABLE.clear()
    yield
    UNREADABLE.clear()
