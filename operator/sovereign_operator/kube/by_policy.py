"""What namespaces hold for policies, such as transit configs: an index of a mirror, kept up to date by its changes."""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from sovereign_operator.kube.mirror import ObjectKey


class ForPolicy(Protocol):
    """An object that belongs to a policy."""

    @property
    def policy(self) -> str:
        """The name of the policy."""


P = TypeVar("P", bound=ForPolicy)


class ByPolicy(Generic[P]):
    """The objects by policy and namespace. A namespace holds at most one for a policy."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, P]] = {}

    def take(self, key: ObjectKey, old: P | None, new: P | None) -> set[str]:
        """Take a change, as a mirror reports it. Return the policies that it is about."""
        if old:
            del self._found[old.policy][key[0]]
        if new:
            self._found.setdefault(new.policy, {})[key[0]] = new
        return {seen.policy for seen in (old, new) if seen}

    def of(self, policy: str) -> Mapping[str, P]:
        """Return the objects of a policy, by namespace."""
        return self._found.get(policy, {})
