"""Admission reviews: what an API server asks before it writes an object, and how it is answered. No I/O.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
"""

import base64
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sovereign_operator.api.v1alpha1 import DEROGATION, GROUP, SOVEREIGN_WORKLOAD, VERSION
from sovereign_operator.core.bounded_json import read_json
from sovereign_operator.core.kubernetes.mirror_pod import is_new_mirror_pod

Json = dict[str, Any]

API_VERSION: Final = "admission.k8s.io/v1"
FORBIDDEN: Final = 403

MOST: Final = {b"{": 50_000, b"[": 50_000, b",": 300_000, b'"': 1_000_000}
"""The most of each character that a review may have. Any pod may send one, and parsing costs far more than sending."""


class About(StrEnum):
    """What a review may be about."""

    POD = "Pod"
    DAEMON_SET = "DaemonSet"
    SOVEREIGN_WORKLOAD = SOVEREIGN_WORKLOAD.name
    DEROGATION = DEROGATION.name
    OTHER = ""


KINDS: Final = {
    ("", "v1", "Pod"): About.POD,
    ("apps", "v1", "DaemonSet"): About.DAEMON_SET,
    (GROUP, VERSION, SOVEREIGN_WORKLOAD.name): About.SOVEREIGN_WORKLOAD,
    (GROUP, VERSION, DEROGATION.name): About.DEROGATION,
}

STAMPED: Final = frozenset({About.SOVEREIGN_WORKLOAD, About.DEROGATION})
"""What has an annotation that says who wrote its spec."""


class MalformedError(Exception):
    """The request is not a review that an API server sends. The text says why."""


@dataclass(frozen=True)
class Review:
    """The fields of an AdmissionReview that decisions depend on."""

    uid: str
    namespace: str
    user: str
    about: About
    obj: Json | None
    """The object to be written; None if it is of another kind, or not to be written itself."""
    before: Json | None
    """The object as it was; None if it is created."""

    @property
    def pod(self) -> Json | None:
        """The pod to be created; None if the review is about something else."""
        return self.obj if self.about is About.POD and self.before is None else None

    @property
    def name(self) -> str:
        """The object's name or generateName."""
        metadata = self.obj["metadata"] if self.obj else {}
        return metadata.get("name") or metadata.get("generateName") or ""

    @property
    def labels(self) -> dict[str, str]:
        """The object's labels."""
        return self._metadata("labels")

    @property
    def is_mirror(self) -> bool:
        """Whether it is the mirror pod of a static pod. A kubelet deletes a mirror pod that differs from its file."""
        node = self.pod["spec"].get("nodeName", "") if self.pod else ""
        return is_new_mirror_pod(self._metadata("annotations"), node, self.user)

    def _metadata(self, field: str) -> dict[str, str]:
        return (self.obj["metadata"].get(field) if self.obj else None) or {}


@dataclass(frozen=True)
class Untouched:
    """The object stays as it is."""

    warning: str = ""
    """The warning for the client."""


@dataclass(frozen=True)
class Injected:
    """The pod gets the sidecar of a policy."""

    policy: str
    operations: list[Json]


@dataclass(frozen=True)
class Refused:
    """The object must not be written as it is."""

    message: str


@dataclass(frozen=True)
class Written:
    """The object gets what admission writes."""

    operations: list[Json]


Answer = Untouched | Injected | Written | Refused


def read(body: bytes) -> Review:
    """Read an AdmissionReview. Raises MalformedError."""
    if too_many := [character.decode() for character, most in MOST.items() if body.count(character) > most]:
        raise MalformedError(f"not an AdmissionReview of an object: it has more of {too_many[0]} than any object")
    try:
        review = read_json(body)
        if (review["apiVersion"], review["kind"]) != (API_VERSION, "AdmissionReview"):
            raise MalformedError(f"not an AdmissionReview of {API_VERSION}: send one")
        request = review["request"]
        kind = request["kind"]
        about = KINDS.get((kind.get("group", ""), kind["version"], kind["kind"]), About.OTHER)
        if request.get("subResource") or request["operation"] not in {"CREATE", "UPDATE"}:
            about = About.OTHER
        created = request["operation"] == "CREATE"
        obj = before = None
        if about is not About.OTHER and request["object"] is not None:
            obj = _checked(request["object"], about)
            before = None if created else _checked(request["oldObject"], about)
        user = _object(request.get("userInfo") or {}).get("username")
        return Review(_text(request["uid"]), _text(request.get("namespace")), _text(user), about, obj, before)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(f"not an AdmissionReview that can be read: {error!r}") from error


def _checked(obj: Any, about: About) -> Json:
    """Return an object. Raises if it lacks what later code relies on: an API server never sends such an object."""
    metadata, spec = _object(_object(obj)["metadata"]), _object(obj["spec"])
    for field in ("name", "generateName"):
        _text(metadata.get(field))
    for field in ("labels", "annotations"):
        for value in _object(metadata.get(field) or {}).values():
            _text(value)
    pod_spec = spec
    if about is About.DAEMON_SET:
        pod_spec = _object(_object(spec["template"])["spec"])
    if about not in STAMPED:
        _object(pod_spec.get("nodeSelector") or {})
        if not isinstance(pod_spec["containers"], list):
            raise TypeError("containers are no list")
        for container in pod_spec["containers"]:
            _text(_object(container)["name"])
    return _object(obj)


def _object(part: Any) -> Json:
    if not isinstance(part, dict):
        raise TypeError(f"no object: {part!r:.100}")
    return part


def _text(part: Any) -> str:
    """Return a string; empty for None."""
    if not isinstance(part, str | None):
        raise TypeError(f"no text: {part!r:.100}")
    return part or ""


def write(uid: str, answer: Answer) -> Json:
    """Return the AdmissionReview with this answer."""
    response: Json = {"uid": uid, "allowed": not isinstance(answer, Refused)}
    match answer:
        case Injected(operations=operations) | Written(operations=operations) if operations:
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
