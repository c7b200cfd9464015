"""Can a PersistentVolumeClaim that is not bound be bound at all? Until it is, no pod that mounts it gets a node.

The rules are those of Kubernetes 1.37: ``syncUnboundClaim`` in pkg/controller/volume/persistentvolume/pv_controller.go,
and ``GetPodVolumeClaims`` in pkg/scheduler/framework/plugins/volumebinding/binder.go.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

Json = Mapping[str, Any]

DEFAULT_CLASSES: Final = tuple(f"storageclass.{part}kubernetes.io/is-default-class" for part in ("", "beta."))
"""The annotations, the present one and the former one, of the StorageClass of claims that name none."""
FORMER_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
"""The annotation of a claim or volume that named its class before there was a field; it takes precedence."""
TAKEN: Final = frozenset({"Bound", "Released", "Failed"})
"""The phases of volumes that no other claim is bound to."""


def never_bound(called: str, claim: Json, classes: Mapping[str, Json], volumes: Iterable[Json]) -> str:
    """Say why a claim stays unbound as things are, as a sentence; empty if it may be bound.

    ``classes``: all StorageClasses, by name. ``volumes``: all PersistentVolumes.
    """
    name = class_of(claim, classes)
    if name in classes:
        return ""
    if any(_class_named(volume) == name and _is_free(volume) for volume in volumes):
        return ""
    lacks = f"there is no StorageClass {name}" if name else "it names no StorageClass, and there is no default"
    return f"claim {called} cannot be bound: {lacks}, and no free PersistentVolume suits it"


def class_of(claim: Json, classes: Mapping[str, Json]) -> str:
    """Return the name of the StorageClass of a claim; empty: it takes only volumes without one."""
    named = _named(claim)
    if named is not None:
        return named
    defaults = (name for name, found in classes.items() if _is_default(found))
    return min(defaults, default="")


def _is_default(storage_class: Json) -> bool:
    return any(_annotations(storage_class).get(name) == "true" for name in DEFAULT_CLASSES)


def _class_named(volume: Json) -> str:
    return _named(volume) or ""


def _named(obj: Json) -> str | None:
    """Return the StorageClass that a claim or volume names; None if it names none."""
    found: str | None = _annotations(obj).get(FORMER_CLASS, (obj.get("spec") or {}).get("storageClassName"))
    return found


def _annotations(obj: Json) -> Json:
    annotations: Json = (obj.get("metadata") or {}).get("annotations") or {}
    return annotations


def _is_free(volume: Json) -> bool:
    """Whether a claim could be bound to a volume. One that waits for a certain claim counts: it may be this one."""
    return (volume.get("status") or {}).get("phase") not in TAKEN
