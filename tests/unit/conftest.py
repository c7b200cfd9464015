"""Settings of hypothesis for unit tests: the machine may be shared, so examples have no deadline."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from sovereign_operator.kube.unreadable import UNREADABLE

settings.register_profile("unit", deadline=None, max_examples=100)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def nothing_unreadable() -> Iterator[None]:
    """Start each test with the state of a new process."""
    UNREADABLE.clear()
    yield
    UNREADABLE.clear()
