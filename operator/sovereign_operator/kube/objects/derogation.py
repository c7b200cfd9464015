"""A Derogation as it was read: what it asks for, who asked, and who approved it."""

from typing import Any

from sovereign_operator.api.v1alpha1.derogation import DerogationSpec
from sovereign_operator.core import names
from sovereign_operator.core.placement.derogation import Approval, Derogation
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.unreadable import Unreadable


def see_derogation(obj: Json) -> Derogation | Unreadable | None:
    """Read a Derogation; None if it is being deleted."""
    spec, approval = see_spec(obj, DerogationSpec), see_approval(obj)
    if isinstance(spec, DerogationSpec):
        return Derogation(obj["metadata"]["name"], spec, approval)
    return Unreadable(spec.what, spec.error, approved=approval.counts) if spec else None


def see_approval(obj: Json) -> Approval:
    """Read who asked for a Derogation and who approved it. What is not of its type counts as absent."""
    metadata, status = obj["metadata"], _object(obj.get("status"))
    generation = status.get("approvedGeneration")
    return Approval(
        generation=metadata["generation"],
        asked_by=_text(_object(metadata.get("annotations")).get(names.REQUESTED_BY_ANNOTATION)),
        approved_by=_text(status.get("approvedBy")),
        approved_generation=generation if isinstance(generation, int) else None,
        uid=metadata["uid"],
        approved_uid=_text(status.get("approvedUID")),
    )


def _object(part: Any) -> dict[str, Any]:
    return part if isinstance(part, dict) else {}


def _text(part: Any) -> str:
    return part if isinstance(part, str) else ""
