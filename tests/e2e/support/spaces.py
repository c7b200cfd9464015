"""Namespaces for tests."""

from collections.abc import Callable
from typing import NamedTuple

from hack.kubectl import Kubectl

Space = Callable[..., str]
Chief = Callable[..., tuple[Kubectl, str]]
"""Returns a user who may do everything in a new namespace, and the namespace."""


class Held(NamedTuple):
    """A policy, and a namespace whose pods can be put in its scope."""

    policy: str
    namespace: str
