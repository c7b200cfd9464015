"""Are our admission policies and our webhooks in the cluster what the chart installed?

An admission policy cannot guard admission policies. A cluster admin may delete a guard, which is the
break-glass, or weaken it: have it only warn, add a match condition, narrow its scope. Each of these is
detected here and reported.

While the chart is upgraded, or rolled back, some guards are of one of its versions and some of another. Each
version's list is in the cluster then, and a guard may match any of them, for a limited time: so an admin
cannot pass a guard of their own off as a version for longer.

Webhooks are compared like guards, and so are the certificates that they trust.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sovereign_operator.core.admission.webhooks import WEBHOOKS, trust_fault, without_trust
from sovereign_operator.core.report.conditions import Notice
from sovereign_operator.core.report.guard_reasons import GuardReason

GuardKey = tuple[str, str]
"""Kind and name of an admission policy or a binding."""

Guards = Mapping[GuardKey, Any]
"""The specs of admission policies and their bindings, by kind and name: what one version of the chart installs."""

DEFAULTS: Final[Mapping[str, Any]] = {
    "matchPolicy": "Equivalent",
    "scope": "*",
    "namespaceSelector": {},
    "objectSelector": {},
}
"""What the API server adds to a spec that leaves it out."""

UPGRADE: Final = timedelta(minutes=10)
"""How long an upgrade may take from when it wrote the controller's Deployment: as long as that has to roll out."""

INSTALLATION: Final = timedelta(minutes=1)
"""How long guards may be missing after the Deployment was made: Helm writes them after it."""

AUDIT: Final = "Audit"
PUT_BACK: Final = "run helm upgrade"


@dataclass(frozen=True)
class Guard:
    """An admission policy or a binding as it is in the cluster."""

    spec: Any
    writer: str = field(default="", compare=False)
    """The field manager of the last write, and its time."""


@dataclass(frozen=True)
class Versions:
    """The lists of guards that count now, and the times that decide it."""

    name: str
    """The name of the ConfigMap with the list of this process's version."""
    own: Guards | None
    """That list; None if the ConfigMap is gone."""
    others: Sequence[Guards]
    """The lists of other versions that are in the cluster."""
    installed: datetime
    """When the controller's Deployment was made."""
    changed: datetime
    """When it was written last."""
    now: datetime
    published: frozenset[str] | None = None
    """The CA certificates that webhooks may trust; None if none are published."""

    @property
    def settling(self) -> bool:
        """Whether an installation or an upgrade may be under way."""
        return self.now - self.changed < UPGRADE

    @property
    def allowed(self) -> tuple[Guards, ...]:
        """Return the lists by which a guard may be as it is."""
        own = (self.own,) if self.own is not None else ()
        others = self.others if self.settling else ()
        nothing: tuple[Guards, ...] = ({},) if self.now - self.installed < INSTALLATION else ()
        return (*own, *others, *nothing)

    @property
    def allowed_until(self) -> datetime:
        """Return when this process's own list is the only one."""
        return max(self.changed + UPGRADE, self.installed + INSTALLATION)


@dataclass(frozen=True, order=True)
class GuardFinding:
    """One guard that is not what the chart installed."""

    kind: str
    name: str
    what: str
    mend: str
    """The command with which a cluster admin repairs it."""
    writer: str = ""
    drifted: bool = False
    """Whether it still enforces all that it should."""

    def __str__(self) -> str:
        """Return a sentence that names the guard and what is wrong with it."""
        return f"{self.kind} {self.name} {self.what}"

    @property
    def notice(self) -> Notice:
        """Return the Event about it for a cluster admin."""
        reason = GuardReason.GUARDS_DRIFTED if self.drifted else GuardReason.GUARDS_BROKEN
        stake = "the API server might not check what it guards"
        if self.drifted:
            stake = "it still guards"
        elif self.kind == WEBHOOKS:
            stake = "an attacker may read and change what is written to the cluster, or no pod gets a sidecar"
        log = "the API server's audit log has the user"
        who = f"It was written last by {self.writer}; {log}." if self.writer else f"Who did this: {log}."
        return Notice("Warning", reason, f"{self}: {stake}. To repair it: {self.mend}. {who}")


def inspect(versions: Versions, live: Mapping[GuardKey, Guard]) -> tuple[GuardFinding, ...]:
    """Return what is wrong with the guards, in one order."""
    if not versions.allowed:
        what = "is missing, so the guards cannot be compared with what the chart installed"
        return (GuardFinding("ConfigMap", versions.name, what, PUT_BACK),)
    keys = {key for guards in versions.allowed for key in guards}
    found = (inspect_one(versions, key, live.get(key)) for key in sorted(keys))
    return tuple(finding for finding in found if finding)


def inspect_one(versions: Versions, key: GuardKey, live: Guard | None) -> GuardFinding | None:
    """Return what is wrong with one guard, which may not be there."""
    wanted = [guards.get(key) for guards in versions.allowed]
    if live is None:
        return None if None in wanted else GuardFinding(*key, "is missing", PUT_BACK)
    specs = [spec for spec in wanted if spec is not None]
    if not specs:
        return None
    if same := [spec for spec in specs if _same(without_trust(live.spec), without_trust(spec))]:
        faults = [trust_fault(live.spec, spec, versions.published, settling=versions.settling) for spec in same]
        return GuardFinding(*key, faults[0], PUT_BACK, live.writer) if all(faults) else None
    for spec in specs:
        if _same(_without_audit(live.spec, spec), spec):
            patch = json.dumps({"spec": {"validationActions": spec["validationActions"]}}, separators=(",", ":"))
            mend = f"kubectl patch {_resource(key)} --type=merge -p '{patch}'"
            return GuardFinding(*key, "also audits, which the chart does not set", mend, live.writer, drifted=True)
    if any(_same(without_trust(live.spec), without_trust(guards.get(key))) for guards in versions.others):
        mend = "run the upgrade or the rollback again: the last one did not complete"
        return GuardFinding(*key, "is as another version of the chart has it", mend, live.writer)
    mend = f"kubectl delete {_resource(key)}, then helm upgrade at once: an upgrade alone keeps what others added"
    return GuardFinding(*key, "was changed", mend, live.writer)


def _resource(key: GuardKey) -> str:
    kind, name = key
    return f"{kind.lower()} {name}"


def _without_audit(live: Any, installed: Any) -> Any:
    """Return a binding's spec with its actions as installed, if it does these and audits besides."""
    actions, wanted = live.get("validationActions", ()), installed.get("validationActions", ())
    return live | {"validationActions": wanted} if set(actions) == {*wanted, AUDIT} else live


def _same(live: Any, installed: Any) -> bool:
    if isinstance(installed, dict):
        if not isinstance(live, dict) or not installed.keys() <= live.keys():
            return False
        added = live.keys() - installed.keys()
        return all(_same(live[key], installed[key]) for key in installed) and all(
            key in DEFAULTS and live[key] == DEFAULTS[key] for key in added
        )
    if isinstance(installed, list):
        return isinstance(live, list) and len(live) == len(installed) and all(map(_same, live, installed))
    return bool(live == installed)


def broken(findings: Iterable[GuardFinding]) -> tuple[str, ...]:
    """Return the sentences about guards that do not enforce what they should."""
    return tuple(str(finding) for finding in findings if not finding.drifted)
