"""Which nodes each datacentre has, which ones it claims with others, and which are in doubt: kept up to date."""

from collections import defaultdict

from sovereign_operator.core.placement.membership import Membership


class Places:
    """Where all nodes are, by datacentre. A node that moves costs what it is concerned with."""

    def __init__(self) -> None:
        self.members: dict[str, Membership] = {}
        """Where each node is, by its name."""
        self.in_doubt: set[str] = set()
        """The nodes that a datacentre which cannot be read may claim as well."""
        self._standing: dict[str, set[str]] = defaultdict(set)
        self._claimed_twice: dict[str, set[str]] = defaultdict(set)

    def standing_in(self, datacentre: str) -> set[str]:
        """Return the nodes that stand in a datacentre."""
        return self._standing.get(datacentre, set())

    def claimed_twice_in(self, datacentre: str) -> set[str]:
        """Return the nodes that a datacentre claims, and others as well."""
        return self._claimed_twice.get(datacentre, set())

    def move(self, name: str, member: Membership | None) -> None:
        """Note where a node is now; None: it is gone."""
        if before := self.members.pop(name, None):
            self._standing.get(before.datacentre or "", set()).discard(name)
            for datacentre in before.contenders:
                self._claimed_twice[datacentre].discard(name)
        self.in_doubt.discard(name)
        if member is None:
            return
        self.members[name] = member
        if member.datacentre:
            self._standing[member.datacentre].add(name)
        for datacentre in member.contenders:
            self._claimed_twice[datacentre].add(name)
        if member.maybe_claimed_by:
            self.in_doubt.add(name)
