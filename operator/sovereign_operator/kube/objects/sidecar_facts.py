"""What the injector keeps of the objects that decide about sidecars beside their policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.limit_range import Demanded, Limit, demanded_of, limits_of
from sovereign_operator.core.kubernetes.quantity import LONGEST
from sovereign_operator.core.workload.scope import enforced_policy
from sovereign_operator.kube.client.api import Json


@dataclass(frozen=True)
class NamespaceSeen:
    """A namespace that enforces a policy, or says which resources its sidecars get."""

    enforced: str | None
    """The policy; None if it enforces none."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Those that say which resources sidecars get."""


def see_namespace(namespace: Json) -> NamespaceSeen | None:
    """Keep the label and the annotations of a namespace; None for one without them."""
    metadata = namespace["metadata"]
    annotations = metadata.get("annotations") or {}
    kept = {key: annotations[key][: LONGEST + 1] for key in names.SIDECAR_ANNOTATIONS if key in annotations}
    enforced = enforced_policy(metadata.get("labels") or {})
    return None if enforced is None and not kept else NamespaceSeen(enforced, kept)


def see_limits(limit_range: Json) -> tuple[Limit, ...] | None:
    """Keep what a LimitRange demands; None if that is nothing that concerns sidecars."""
    return limits_of(limit_range) or None


def see_quota(quota: Json) -> Demanded | None:
    """Keep what a ResourceQuota has containers set; None if that is nothing."""
    return demanded_of(quota) or None


def see_handler(runtime_class: Json) -> str:
    """Keep the handler of a RuntimeClass: how the runtime on the nodes calls it."""
    return str(runtime_class["handler"])[: names.LONGEST_NAME]
