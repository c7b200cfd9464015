"""Namespaces that tests are given."""

from collections.abc import Callable
from typing import NamedTuple

Space = Callable[..., str]


class Held(NamedTuple):
    """A policy, and a namespace whose pods can be held to it."""

    policy: str
    namespace: str
