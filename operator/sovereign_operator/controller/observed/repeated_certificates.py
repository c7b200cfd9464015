"""Detects pods that get more certificates than they have volumes: a kubelet lost its state, or a request is forged."""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

TOLERANCE: Final = timedelta(minutes=5)
"""How long before its due time a renewal still counts as a renewal: certificates begin early, and clocks differ."""

REMEMBERED: Final = 20_000
"""How many pods are remembered. The pods with the oldest certificates are forgotten first."""


class RepeatedCertificates:
    """When the certificates of each pod are due for renewal. Times are RFC 3339, in UTC."""

    def __init__(self) -> None:
        self._pods: OrderedDict[str, list[str]] = OrderedDict()

    def is_repeated(self, pod_uid: str, volumes: int, not_before: str, refresh_at: str) -> bool:
        """Record a certificate. Return whether the pod now has more of them than volumes that ask for one."""
        soon = datetime.fromisoformat(not_before) + TOLERANCE
        current = [due for due in self._pods.pop(pod_uid, []) if datetime.fromisoformat(due) > soon]
        self._pods[pod_uid] = [*current, refresh_at]
        if len(self._pods) > REMEMBERED:
            self._pods.popitem(last=False)
        return len(current) >= max(1, volumes)
