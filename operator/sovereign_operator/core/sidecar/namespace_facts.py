"""What a sidecar depends on besides its pod and the chart's values: what stands in the pod's namespace and cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sovereign_operator.core.kubernetes.limit_range import Demanded, Limit


@dataclass(frozen=True)
class NamespaceFacts:
    """The facts. Those that are not known are left out: the API server then decides."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    """Of the namespace."""
    limits: tuple[Limit, ...] = ()
    """Those of the namespace's LimitRanges."""
    demanded: Demanded = frozenset()
    """What quotas of the namespace have each container set."""
    handlers: Mapping[str, str] = field(default_factory=dict)
    """By the name of a RuntimeClass, its handler: how the runtime on the nodes calls it."""


NO_NAMESPACE_FACTS: Final = NamespaceFacts()
