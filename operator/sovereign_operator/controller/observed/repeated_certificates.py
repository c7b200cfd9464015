"""Which pods got a certificate lately: more than one a volume means that a kubelet began anew, or a forgery."""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

TOLERANCE: Final = timedelta(minutes=5)
"""A certificate begins a moment before it is issued, and clocks differ: the next one is due by then."""

REMEMBERED: Final = 20_000
"""Pods. Those whose certificates are the oldest are forgotten first."""


class RepeatedCertificates:
    """Remembers for each pod when its certificates are to be renewed. Times are RFC 3339, in UTC."""

    def __init__(self) -> None:
        self._pods: OrderedDict[str, list[str]] = OrderedDict()

    def again(self, pod_uid: str, volumes: int, not_before: str, refresh_at: str) -> bool:
        """Take note of a certificate, and say whether the pod has one more than it has volumes for them."""
        soon = datetime.fromisoformat(not_before) + TOLERANCE
        current = [due for due in self._pods.pop(pod_uid, []) if datetime.fromisoformat(due) > soon]
        self._pods[pod_uid] = [*current, refresh_at]
        if len(self._pods) > REMEMBERED:
            self._pods.popitem(last=False)
        return len(current) >= max(1, volumes)
