"""Trims the objects that kopf reads to the fields that decisions need.

kopf keeps what it reads in memory: a whole list until all pages are read, an event until its worker handles it, and an
indexed object for as long as it exists. A user who may write an object of the operator's kinds may fill it with a
megabyte of annotations or of template, for which Python needs up to twenty-five times as much memory.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from sovereign_operator.api.v1alpha1 import DEROGATION, KINDS, SOVEREIGN_WORKLOAD
from sovereign_operator.core import names
from sovereign_operator.core.bounded_json import read_json

Json = Mapping[str, Any]

_KINDS: Final = frozenset(kind.name for kind in KINDS)
_TYPE: Final = ("apiVersion", "kind")
_METADATA: Final = (
    *("namespace", "name", "uid", "resourceVersion", "generation"),
    *("creationTimestamp", "deletionTimestamp"),
)
_MORE_METADATA: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    # Policies may grant certificates by the labels of namespaces: all are kept.
    "Namespace": {"labels": ()},
    # Who asked for it.
    DEROGATION.name: {"annotations": (names.REQUESTED_BY_ANNOTATION,)},
}
"""By kind, the other fields of its metadata that are kept, and of which entries; none named: all."""


def trim_list(text: bytes) -> bytes:
    """Return a page of a list with each object trimmed. Text that is not a list is returned unchanged."""
    page = _read(text)
    if not isinstance(page, dict) or not isinstance(page.get("items"), list):
        return text
    kind = str(page.get("kind", "")).removesuffix("List")
    return json.dumps(page | {"items": [trim(obj, kind) for obj in page["items"]]}).encode()


def trim_event(line: bytes) -> bytes:
    """Return an event of a watch with its object trimmed. Text that is not an event is returned unchanged."""
    event = _read(line)
    if not isinstance(event, dict) or "object" not in event:
        return line
    return json.dumps(event | {"object": trim(event["object"])}).encode()


def trim(obj: Any, kind: str = "") -> Any:
    """Return an object trimmed; a Status, which reports a failure, is kept whole. ``kind``: of an item of a list."""
    if not isinstance(obj, dict):
        return obj
    kind = obj.get("kind", kind)
    if kind == "Status":
        return obj
    ours = kind in _KINDS
    kept = _some(obj, *_TYPE, *(("status",) if ours else ()))
    if "metadata" in obj:
        more = _MORE_METADATA.get(kind, {})
        kept["metadata"] = _some(obj["metadata"], *_METADATA, *more)
        for field, entries in more.items():
            if entries and isinstance(kept["metadata"], dict) and field in kept["metadata"]:
                kept["metadata"][field] = _some(kept["metadata"][field], *entries)
    if "spec" in obj and kind == SOVEREIGN_WORKLOAD.name:
        kept["spec"] = _without_template(obj["spec"])
    elif "spec" in obj and ours:
        kept["spec"] = obj["spec"]
    elif "spec" in obj and kind == "CustomResourceDefinition":
        # kopf reads no other field of a CRD.
        kept["spec"] = _some(obj["spec"], "group")
    return kept


def _without_template(spec: Any) -> Any:
    """Return the spec of a SovereignWorkload without its template but for the kind. The reconciler reads the rest."""
    template = spec.get("template") if isinstance(spec, dict) else None
    if not isinstance(template, dict):
        return spec
    emptied = _some(template, "kind", "spec")
    if "spec" in emptied:
        emptied["spec"] = {} if isinstance(emptied["spec"], dict) else None
    return spec | {"template": emptied}


def _some(part: Any, *fields: str) -> Any:
    return {field: part[field] for field in fields if field in part} if isinstance(part, dict) else part


def _read(text: bytes) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return None
