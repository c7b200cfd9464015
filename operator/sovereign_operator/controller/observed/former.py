"""What was at the last change of an object: a change says what is now, and what follows may depend on both."""


class Former:
    """What is remembered of namespaces and policies."""

    def __init__(self) -> None:
        self.policies: set[str] = set()
        """The policies that there were."""
        self.needing_sidecars: set[str] = set()
        """The policies whose pods needed a sidecar."""
        self._enforced: dict[str, str] = {}
        """By namespace, the policy that it enforced."""

    def note_enforced(self, namespace: str, now: str | None, *, there: bool) -> str | None:
        """Remember the policy that a namespace enforces. Return the policy that it left, if it is still there."""
        before = self._enforced.pop(namespace, None)
        if there and now is not None:
            self._enforced[namespace] = now
        return before if there and before != now else None

    def note_policy(self, name: str, *, there: bool) -> bool:
        """Remember whether there is a policy of this name. Return whether it is new or gone."""
        return _note(self.policies, name, holds=there)

    def note_sidecars(self, policy: str, *, needed: bool) -> bool:
        """Remember whether the pods of a policy need a sidecar. Return whether that has changed."""
        return _note(self.needing_sidecars, policy, holds=needed)


def _note(known: set[str], name: str, *, holds: bool) -> bool:
    changed = holds is not (name in known)
    if changed:
        known ^= {name}
    return changed
