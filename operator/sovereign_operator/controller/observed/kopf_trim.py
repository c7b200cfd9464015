"""What kopf is given of the objects that it watches: as much as decisions need.

kopf holds what it reads: all of a list until everything is listed, an event until its worker comes to it, and what is
indexed for as long as it exists. Who may write an object of the operator's kinds may fill it with a megabyte of
annotations, or of template, for which Python needs up to twenty-five times as much.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from sovereign_operator.api.v1alpha1 import KINDS, SOVEREIGN_WORKLOAD
from sovereign_operator.core.bounded_json import read_json

Json = Mapping[str, Any]

_KINDS: Final = frozenset(kind.name for kind in KINDS)
_TYPE: Final = ("apiVersion", "kind")
_METADATA: Final = (
    *("namespace", "name", "uid", "resourceVersion", "generation"),
    *("creationTimestamp", "deletionTimestamp"),
)


def trim_list(text: bytes) -> bytes:
    """Return a page of a list with what is kept of each object. What is no list stays as it is."""
    page = _read(text)
    if not isinstance(page, dict) or not isinstance(page.get("items"), list):
        return text
    kind = str(page.get("kind", "")).removesuffix("List")
    return json.dumps(page | {"items": [trim(obj, kind) for obj in page["items"]]}).encode()


def trim_event(line: bytes) -> bytes:
    """Return an event of a watch with what is kept of its object. What is no event stays as it is."""
    event = _read(line)
    if not isinstance(event, dict) or "object" not in event:
        return line
    return json.dumps(event | {"object": trim(event["object"])}).encode()


def trim(obj: Any, kind: str = "") -> Any:
    """Return what is kept of an object, which is of this kind unless it says another. Of a failure all is kept."""
    if not isinstance(obj, dict):
        return obj
    kind = obj.get("kind", kind)
    if kind == "Status":
        return obj
    ours = kind in _KINDS
    kept = _some(obj, *_TYPE, *(("status",) if ours else ()))
    if "metadata" in obj:
        # Policies may grant certificates by the labels of namespaces.
        kept["metadata"] = _some(obj["metadata"], *_METADATA, *(("labels",) if kind == "Namespace" else ()))
    if "spec" in obj and kind == SOVEREIGN_WORKLOAD.name:
        kept["spec"] = _without_template(obj["spec"])
    elif "spec" in obj and ours:
        kept["spec"] = obj["spec"]
    elif "spec" in obj and kind == "CustomResourceDefinition":
        # Of CRDs kopf asks no more.
        kept["spec"] = _some(obj["spec"], "group")
    return kept


def _without_template(spec: Any) -> Any:
    """Return the spec of a SovereignWorkload whose template says no more than its kind. Whoever needs it, reads it."""
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
