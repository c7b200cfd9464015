"""Which pods got a certificate lately: more than one a volume means that a kubelet began anew, or a forgery."""

from collections import OrderedDict
from datetime import datetime
from typing import Final

from sovereign_operator.core.certificate_request import Issue

REMEMBERED: Final = 20_000
"""Pods. The oldest are forgotten first."""


class Issued:
    """Remembers for each pod when its certificates are to be renewed."""

    def __init__(self) -> None:
        self._pods: OrderedDict[str, list[datetime]] = OrderedDict()

    def again(self, pod_uid: str, volumes: int, issue: Issue) -> bool:
        """Take note of a certificate, and say whether the pod has one more than it has volumes for them."""
        current = [refresh for refresh in self._pods.pop(pod_uid, []) if refresh > issue.not_before]
        self._pods[pod_uid] = [*current, issue.refresh_at]
        if len(self._pods) > REMEMBERED:
            self._pods.popitem(last=False)
        return len(current) >= max(1, volumes)
