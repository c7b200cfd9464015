"""The admission policies and webhooks (guards) as they are, and what was found wrong with them last."""

from collections.abc import Callable

from sovereign_operator.core import names
from sovereign_operator.core.admission.guards import Guard, GuardFinding, GuardKey, Guards, broken
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror
from sovereign_operator.kube.objects.guard import see_guard
from sovereign_operator.kube.objects.worst import worst_guard


class GuardWatch:
    """Watches all guards, and keeps the findings about them."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        digest: str,
        *,
        changed: Callable[[], None],
        findings_changed: Callable[[], None],
    ) -> None:
        self.namespace, self.digest = namespace, digest
        self._changed, self._findings_changed = changed, findings_changed
        self.installed: Guards | None = None
        """The guards that this version of the chart installs, as last read; None if they never were."""
        self._changed_guards: list[tuple[GuardKey, Guard | None]] = []
        self.mirrors = {
            kind: Mirror(
                api,
                guarded,
                see_guard,
                lambda key, old, new, kind=kind: self._take((kind, key[1]), old, new),  # type: ignore[misc]
                worst=worst_guard,
                label_selector=names.GUARD_SELECTOR,
                optional=kind in resource.NOT_EVERYWHERE,
            )
            for kind, guarded in resource.ADMISSION.items()
        }
        self.findings: tuple[GuardFinding, ...] | None = None
        """What is wrong; None before the first comparison."""

    @property
    def broken(self) -> tuple[str, ...]:
        """Return the names of the guards that do not enforce what they should."""
        return broken(self.findings or ())

    def live(self) -> dict[GuardKey, Guard]:
        """Return the guards that exist."""
        return {(kind, name): guard for kind, mirror in self.mirrors.items() for (_, name), guard in mirror.items()}

    def take_changes(self) -> list[tuple[GuardKey, Guard | None]]:
        """Return the guards that were changed since the last call, with what they became; None if deleted."""
        taken, self._changed_guards = self._changed_guards, []
        return taken

    def replace_findings(self, findings: tuple[GuardFinding, ...]) -> None:
        """Keep new findings, and have everything that depends on them reconciled if they differ."""
        before, self.findings = self.findings, findings
        if findings != before:
            self._findings_changed()

    def _take(self, key: GuardKey, old: Guard | None, new: Guard | None) -> None:
        if old:
            self._changed_guards.append((key, new))
        self._changed()
