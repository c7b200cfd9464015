"""Which pods have an Event already: each gets it once, and of the pods of one owner a few are enough."""

from collections import Counter
from collections.abc import Hashable

from sovereign_operator.core.report.conditions import MAX_EXAMPLES


class PostedEvents:
    """Which pods have an Event about what, so that each gets it once, and at most ten pods of one owner at a time."""

    def __init__(self) -> None:
        self._posted: dict[Hashable, tuple[Hashable, Hashable]] = {}
        self._numbers: Counter[Hashable] = Counter()

    def is_missing(self, pod: Hashable, owner: Hashable, what: Hashable) -> bool:
        """Whether an Event about this is to be posted for a pod of an owner."""
        before = self._posted.get(pod)
        return before != (owner, what) and (before is not None or self._numbers[owner] < MAX_EXAMPLES)

    def is_due(self, pod: Hashable, owner: Hashable, what: Hashable) -> bool:
        """Whether an Event about this is to be posted for a pod of an owner; if so, it counts as posted."""
        if not self.is_missing(pod, owner, what):
            return False
        self.forget(pod)
        self._posted[pod] = owner, what
        self._numbers[owner] += 1
        return True

    def forget(self, pod: Hashable) -> None:
        """Forget a pod that no Event is about any more. Another one of its owner may get one then."""
        owner, _ = self._posted.pop(pod, (None, None))
        if owner is not None:
            self._numbers[owner] -= 1
            if not self._numbers[owner]:
                del self._numbers[owner]
