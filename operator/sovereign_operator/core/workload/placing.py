"""What admission writes into new pods, DaemonSets, SovereignWorkloads and Derogations.

Where the API server serves MutatingAdmissionPolicy, it does this itself: ``place-pods.yaml``, ``place-daemonsets.yaml``
and ``stamp-requester.yaml`` of the chart have the same rules as CEL. Elsewhere the injector answers for it. Tests
compare both on an API server that has both. Whatever is not written is refused by the guards, in either case.
"""

from collections.abc import Mapping
from typing import Any

from sovereign_operator.core import names

Json = dict[str, Any]


def place_pod(pod: Json, policy: str | None, *, avoids: bool = False) -> Json:
    """Return a pod as it is to be created. ``policy`` is the one in effect for it; None if it is not in scope.

    ``avoids``: whether refused nodes keep the policy's label for running pods, so that the pod has to avoid these. What
    it brings along under our prefixes is forged, or copied from another pod.
    """
    if policy is None:
        return _labelled(pod, None)
    annotations = {key: value for key, value in _metadata(pod, "annotations").items() if not names.is_record(key)}
    annotations[names.audit_annotation("policy")] = policy
    made = _labelled(pod, policy)
    spec = _selecting(pod["spec"], policy, former=None)
    return made | {
        "metadata": made["metadata"] | {"annotations": annotations},
        "spec": _avoiding(spec, policy) if avoids else spec,
    }


def place_daemon_set(daemon_set: Json, policy: str | None, before: Json | None) -> Json:
    """Return a DaemonSet as it is to be written. ``before``: as it was, if it exists.

    Its controller chooses nodes by the template. No client owns what admission wrote there, so nobody else would remove
    the selector of the policy that it was placed for before.
    """
    former = _metadata(before, "labels").get(names.PLACED_LABEL) if before else None
    spec = daemon_set["spec"]
    template = spec["template"]
    pod_spec = _selecting(template["spec"], policy, former=former)
    return _labelled(daemon_set, policy) | {"spec": spec | {"template": template | {"spec": pod_spec}}}


def stamp(obj: Json, user: str, before: Json | None, *, taken_over: bool) -> Json:
    """Return a SovereignWorkload or a Derogation with the user who last wrote its spec.

    ``before``: as it was, if it exists. ``taken_over``: whether a user who changes something else of one without a
    stamp counts as that user.
    """
    stamped = _metadata(before, "annotations").get(names.REQUESTED_BY_ANNOTATION, "") if before else ""
    if before and obj["spec"] == before["spec"] and (stamped or not taken_over):
        user = stamped
    annotations = {**_metadata(obj, "annotations"), names.REQUESTED_BY_ANNOTATION: user}
    return obj | {"metadata": obj["metadata"] | {"annotations": annotations}}


def _metadata(obj: Json, field: str) -> Mapping[str, str]:
    """Return labels or annotations. A client may send null for none."""
    found: Mapping[str, str] = obj["metadata"].get(field) or {}
    return found


def _labelled(obj: Json, policy: str | None) -> Json:
    """Return an object whose label says for which policy it is placed; without the label if for none."""
    labels = {key: value for key, value in _metadata(obj, "labels").items() if key != names.PLACED_LABEL}
    if policy:
        labels[names.PLACED_LABEL] = policy
    return obj if labels == _metadata(obj, "labels") else obj | {"metadata": obj["metadata"] | {"labels": labels}}


def _avoiding(spec: Json, policy: str) -> Json:
    """Return a pod spec that is spread over nodes which may start pods of a policy.

    All of these nodes have the label with one value, so they are one place, in which any number of pods may be: the
    constraint demands no more than that the node has the label. API servers warn of one without a labelSelector.
    """
    constraints, key = spec.get("topologySpreadConstraints") or [], names.node_host_label(policy)
    if any(constraint.get("topologyKey") == key for constraint in constraints):
        return spec
    avoid = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    return spec | {"topologySpreadConstraints": [*constraints, avoid]}


def _selecting(spec: Json, policy: str | None, *, former: str | None) -> Json:
    """Return a pod spec that selects the nodes of a policy, and no longer those of the former one."""
    before = spec.get("nodeSelector") or {}
    selector = dict(before)
    if former and former != policy:
        selector.pop(names.node_policy_label(former), None)
    if policy:
        selector[names.node_policy_label(policy)] = names.ACCEPTED
    return spec if selector == before else spec | {"nodeSelector": selector}
