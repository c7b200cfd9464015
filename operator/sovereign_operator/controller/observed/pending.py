"""What has changed since the cluster was last reconciled, so that only that is looked at."""

from dataclasses import dataclass, field


@dataclass
class Pending:
    """Names of what may differ from what was decided or written last."""

    nodes: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    """The policies whose host role, or its binding, may differ."""
    statuses: set[tuple[str, str]] = field(default_factory=set)
    """Plural and name of the cluster-scoped objects whose status may differ."""
    grants: bool = False
    """Whether policies may give certificates to other namespaces."""

    def __bool__(self) -> bool:
        return bool(self.nodes or self.roles or self.statuses or self.grants)

    def take(self) -> "Pending":
        """Return everything and start anew."""
        taken = Pending(self.nodes, self.roles, self.statuses, self.grants)
        self.nodes, self.roles, self.statuses, self.grants = set(), set(), set(), False
        return taken

    def add(self, other: "Pending") -> None:
        """Add what another names, as it was taken and not dealt with."""
        self.nodes |= other.nodes
        self.roles |= other.roles
        self.statuses |= other.statuses
        self.grants = self.grants or other.grants
