"""What has changed since the cluster was last reconciled, so that only that is looked at."""

from dataclasses import dataclass, field, fields


@dataclass
class Pending:
    """Names of what may differ from what was decided or written last."""

    nodes: set[str] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)
    """The namespaces to which policies may give certificates now, or no longer."""
    policies: set[str] = field(default_factory=set)
    """The policies whose spec may differ."""
    roles: set[str] = field(default_factory=set)
    """The policies whose host role, or its binding, may differ."""
    statuses: set[tuple[str, str]] = field(default_factory=set)
    """Plural and name of the cluster-scoped objects whose status may differ."""

    def __bool__(self) -> bool:
        return any(getattr(self, part.name) for part in fields(self))

    def take(self) -> "Pending":
        """Return everything, and forget it here."""
        taken = Pending()
        for part in fields(self):
            setattr(taken, part.name, getattr(self, part.name))
            setattr(self, part.name, set())
        return taken

    def add(self, other: "Pending") -> None:
        """Add what another names, as it was taken and not dealt with."""
        for part in fields(self):
            getattr(self, part.name).update(getattr(other, part.name))
