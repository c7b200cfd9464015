"""Decides one admission review of a new pod: inject the sidecar, leave the pod untouched, or refuse it. No I/O."""

import base64
import json
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

from sovereign_operator.core import names
from sovereign_operator.core.bounded_json import read_json
from sovereign_operator.core.kubernetes.mirror_pod import is_new_mirror_pod
from sovereign_operator.core.sidecar.injection import SidecarSettings, inject
from sovereign_operator.core.sidecar.json_patch import patch
from sovereign_operator.core.sidecar.probes import CannotInjectError
from sovereign_operator.core.workload.scope import policy_of_pod

Json = dict[str, Any]

API_VERSION: Final = "admission.k8s.io/v1"
FORBIDDEN: Final = 403

MOST: Final = {b"{": 50_000, b"[": 50_000, b",": 300_000, b'"': 1_000_000}
"""The most of each character that a review may have. Any pod may send one, and parsing costs far more than sending."""


class MalformedError(Exception):
    """The request is not a review of a pod. The text says why."""


@dataclass(frozen=True)
class Review:
    """The fields of an AdmissionReview that the decision depends on."""

    uid: str
    namespace: str
    user: str
    pod: Json | None
    """The pod to be created; None if the review is about something else."""

    @property
    def pod_name(self) -> str:
        """The pod's name or generateName."""
        metadata = self.pod["metadata"] if self.pod else {}
        return metadata.get("name") or metadata.get("generateName") or ""

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels."""
        return self._metadata("labels")

    @property
    def is_mirror(self) -> bool:
        """Whether it is the mirror pod of a static pod. A kubelet deletes a mirror pod that differs from its file."""
        node = self.pod["spec"].get("nodeName", "") if self.pod else ""
        return is_new_mirror_pod(self._metadata("annotations"), node, self.user)

    def _metadata(self, field: str) -> dict[str, str]:
        return (self.pod["metadata"].get(field) if self.pod else None) or {}


@dataclass(frozen=True)
class Untouched:
    """The pod stays as it is."""

    warning: str = ""
    """The warning for the client that creates the pod."""


@dataclass(frozen=True)
class Injected:
    """The pod gets the sidecar of a policy."""

    policy: str
    operations: list[Json]


@dataclass(frozen=True)
class Refused:
    """The pod must not be created as it is."""

    message: str


Answer = Untouched | Injected | Refused


def read(body: bytes) -> Review:
    """Read an AdmissionReview. Raises MalformedError."""
    if too_many := [character.decode() for character, most in MOST.items() if body.count(character) > most]:
        raise MalformedError(f"not an AdmissionReview of a pod: it has more of {too_many[0]} than any pod")
    try:
        review = read_json(body)
        if (review["apiVersion"], review["kind"]) != (API_VERSION, "AdmissionReview"):
            raise MalformedError(f"not an AdmissionReview of {API_VERSION}: send one")
        request = review["request"]
        kind = request["kind"]
        about_pod = (kind.get("group", ""), kind["version"], kind["kind"]) == ("", "v1", "Pod")
        created = request["operation"] == "CREATE" and not request.get("subResource")
        pod = request["object"] if about_pod and created else None
        if pod is not None:
            _check_pod(pod)
        user = _object(request.get("userInfo") or {}).get("username")
        return Review(_text(request["uid"]), _text(request.get("namespace")), _text(user), pod)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(f"not an AdmissionReview that can be read: {error!r}") from error


def _check_pod(pod: Any) -> None:
    """Raise if a pod lacks what later code relies on. An API server never sends such a pod."""
    metadata, spec = _object(_object(pod)["metadata"]), _object(pod["spec"])
    for field in ("name", "generateName"):
        _text(metadata.get(field))
    for field in ("labels", "annotations"):
        for value in _object(metadata.get(field) or {}).values():
            _text(value)
    if not isinstance(spec["containers"], list):
        raise TypeError("containers are no list")
    for container in spec["containers"]:
        _text(_object(container)["name"])


def _object(part: Any) -> Json:
    if not isinstance(part, dict):
        raise TypeError(f"no object: {part!r:.100}")
    return part


def _text(part: Any) -> str:
    """Return a string; empty for None."""
    if not isinstance(part, str | None):
        raise TypeError(f"no text: {part!r:.100}")
    return part or ""


def policy_of(review: Review, enforced: str | None, never_in_scope: Container[str]) -> str | None:
    """Return the policy in effect for the pod; None if it is not in scope, or if the review is about no pod."""
    if review.pod is None:
        return None
    return policy_of_pod(review.namespace, enforced, review.labels, never_in_scope)


def may_be_too_early(review: Review, enforced: str | None, never_in_scope: Container[str]) -> bool:
    """Whether the pod's namespace may have been labelled so recently that its label is not observed yet."""
    if review.pod is None or review.namespace in never_in_scope:
        return False
    return review.labels.get(names.POLICY_LABEL) is None and enforced is None


def decide_review(review: Review, policy: str | None, settings: SidecarSettings) -> Answer:
    """Decide about a pod. ``policy`` is the policy in effect if it encrypts, otherwise None.

    The guards refuse an unknown policy, and a pod that lacks its sidecar, whether or not the injector runs. Raises
    MalformedError for a pod that no API server would send.
    """
    if review.pod is None:
        return Untouched("the sovereignty injector got a review of something else than the creation of a pod")
    if policy is None or review.is_mirror:
        return Untouched()
    try:
        return Injected(policy, patch(review.pod, inject(review.pod, policy, settings)))
    except CannotInjectError as error:
        return Refused(
            f"policy {policy} encrypts traffic, and the sidecar for that cannot be added to this pod: {error}"
        )
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise MalformedError(f"not a pod that can be read: {error!r}") from error


def write(uid: str, answer: Answer) -> Json:
    """Return the AdmissionReview with this answer."""
    response: Json = {"uid": uid, "allowed": not isinstance(answer, Refused)}
    match answer:
        case Injected(operations=operations) if operations:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(operations).encode()).decode()
        case Refused(message=message):
            response["status"] = {"code": FORBIDDEN, "reason": "Forbidden", "message": message}
        case Untouched(warning=warning) if warning:
            response["warnings"] = [warning]
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}


def result_of(answer: Answer) -> str:
    """Return the value of the metric's label ``result`` for an answer."""
    return type(answer).__name__.lower()
