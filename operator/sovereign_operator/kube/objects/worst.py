"""The worst case that stands for an object of another kind that cannot be read: neither absent nor as it should be.

Mirrors call these functions if the conversion of an object fails. Each field is checked before it is used, although the
API server validates these kinds: the conversion failed, so any field may be unexpected.
"""

from typing import Any, Final

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core import names
from sovereign_operator.core.admission.guards import Guard
from sovereign_operator.core.kubernetes.mirror_pod import is_mirror_pod
from sovereign_operator.core.placement.facts import Node
from sovereign_operator.core.workload.facts import Workload, WorkloadPod
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.objects.host_role import ObservedRole
from sovereign_operator.kube.objects.node import ObservedNode
from sovereign_operator.kube.objects.pod import ObservedPod

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - nothing listens there
"""In place of addresses that cannot be read. No cluster network contains it, so other pods send plaintext there."""


def worst_node(obj: Json) -> ObservedNode:
    """Return a node in no datacentre, so that no policy accepts it."""
    return ObservedNode(Node(_name(obj), _text(obj, "metadata", "uid")), {}, (), _version(obj))


def worst_pod(obj: Json) -> ObservedPod:
    """Return a pod that runs outside and without a sidecar."""
    pod = WorkloadPod(
        _name(obj), _text(obj, "metadata", "uid"), node=_text(obj, "spec", "nodeName") or None, unreadable=True
    )
    return ObservedPod(
        _text(obj, "metadata", "namespace"),
        pod,
        _texts(obj, "metadata", "labels"),
        {},
        static=is_mirror_pod(_texts(obj, "metadata", "annotations")),
        ended=False,
        terminating=False,
        bundles=frozenset(),
        addresses=(ANY_ADDRESS,),
    )


def worst_workload(kind: WorkloadKind, obj: Json) -> Workload:
    """Return a workload whose pods are not known to be in scope, and which the operator did not take into scope."""
    label = _texts(obj, "metadata", "labels").get(names.POLICY_LABEL)
    return Workload(kind, _name(obj), _text(obj, "metadata", "uid"), label, None, None)


def worst_role(obj: Json) -> ObservedRole:
    """Return a role without content, so that the controller writes it again."""
    policy = _texts(obj, "metadata", "labels").get(names.HOST_ROLE_LABEL, "")
    return ObservedRole(policy, None, _text(obj, "metadata", "uid"), _version(obj))


def worst_guard(_: Json) -> Guard:
    """Return a guard that is not what the chart installed."""
    return Guard({})


def _find(obj: Json, *path: str) -> Any:
    found: Any = obj
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _text(obj: Json, *path: str) -> str:
    found = _find(obj, *path)
    return found if isinstance(found, str) else ""


def _texts(obj: Json, *path: str) -> dict[str, str]:
    found = _find(obj, *path)
    pairs = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def _name(obj: Json) -> str:
    return _text(obj, "metadata", "name")


def _version(obj: Json) -> str:
    return _text(obj, "metadata", "resourceVersion")
