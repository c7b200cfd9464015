"""Are our admission policies in the cluster what the chart installed?

An admission policy cannot guard admission policies. A cluster admin may delete a guard, which is the
break-glass, or hollow it out: have it only warn, add a condition under which it looks away, narrow its
scope. All of these are seen here and said.
"""

from collections.abc import Mapping
from typing import Any, Final

Guards = Mapping[tuple[str, str], Any]
"""The specs of admission policies and their bindings, by kind and name."""

DEFAULTS: Final[Mapping[str, Any]] = {
    "matchPolicy": "Equivalent",
    "scope": "*",
    "namespaceSelector": {},
    "objectSelector": {},
}
"""What the API server adds to a spec that leaves it out."""


def broken(installed: Guards, live: Guards) -> tuple[str, ...]:
    """Say of each guard that is gone or says something else than the chart installed, in one order."""
    return tuple(
        f"{kind} {name} {'was changed' if (kind, name) in live else 'is missing'}"
        for kind, name in sorted(installed)
        if not _same(live.get((kind, name)), installed[kind, name])
    )


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
