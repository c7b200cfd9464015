"""Pods with resources in namespaces that limit them, and the resources that their sidecars get."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sovereign_operator.core.kubernetes.limit_range import Demand, limits_of
from sovereign_operator.core.sidecar.injection import SidecarSettings, inject
from sovereign_operator.core.sidecar.namespace_facts import NO_NAMESPACE_FACTS, NamespaceFacts
from tests.unit.sidecar.injected_pods import Json, sidecar_of

CHART: Final[Json] = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
SETTINGS: Final = SidecarSettings("sidecar", "Always", CHART, by_token=True)
WITHOUT: Final = SidecarSettings("sidecar", "Always", {}, by_token=True)
"""Of an admin who sets sidecar.resources to null."""

MIB: Final = 1024**2
PREFIX: Final = "sovereignty.dev/sidecar-"


def sized(cpu: str, memory: str, **limits: str) -> Json:
    """Return the resources of a container whose limits are its requests, unless others are given."""
    requests = {"cpu": cpu, "memory": memory}
    return {"requests": requests, "limits": requests | limits}


GUARANTEED: Final = sized("100m", "64Mi")
BURSTABLE: Final[Json] = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}


def resources(
    before: Json,
    around: NamespaceFacts = NO_NAMESPACE_FACTS,
    settings: SidecarSettings = SETTINGS,
    annotated: Mapping[str, str] = MappingProxyType({}),
) -> Json:
    """Return the resources of the sidecar of a pod, whose annotations are given by the ends of their names."""
    before["metadata"]["annotations"] = {f"{PREFIX}{key}": text for key, text in annotated.items()}
    made = inject(before, "hds", settings, around)
    assert inject(made, "hds", settings, around) == made
    found: Json = sidecar_of(made)["resources"]
    return found


def ranges(*entries: Json) -> NamespaceFacts:
    """Return a namespace with a LimitRange, as the API server shows it: with its defaults."""
    for entry in entries:
        entry.setdefault("type", "Container")
        if entry["type"] == "Container":
            entry["default"] = entry.get("max", {}) | entry.get("default", {})
    return NamespaceFacts(limits=limits_of({"metadata": {"name": "small"}, "spec": {"limits": [*entries]}}))


def quota(*demanded: tuple[str, str]) -> NamespaceFacts:
    return NamespaceFacts(demanded=frozenset(Demand(*each) for each in demanded))
