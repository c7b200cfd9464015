"""Namespaces for tests."""

from collections.abc import Callable
from typing import NamedTuple

Space = Callable[..., str]


class Held(NamedTuple):
    """A policy, and a namespace whose pods can be put in its scope."""

    policy: str
    namespace: str
