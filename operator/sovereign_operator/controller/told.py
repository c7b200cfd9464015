"""What the ConfigMaps of sidecars say."""

import json
from dataclasses import dataclass

from sovereign_operator.core import names
from sovereign_operator.core.sidecar import LISTENERS
from sovereign_operator.kube.api import Json


@dataclass(frozen=True)
class Told:
    """What a ConfigMap of ours says."""

    policy: str
    listeners: str

    @property
    def version(self) -> str:
        """Which settings these are, as the sidecars say which they have loaded."""
        try:
            return str(json.loads(self.listeners)["version_info"])
        except (ValueError, KeyError, TypeError):
            # Somebody else wrote it. It will be put right.
            return ""


def see_told(obj: Json) -> Told:
    """Keep what a ConfigMap of ours says."""
    return Told(obj["metadata"]["labels"][names.TRANSIT_LABEL], obj.get("data", {}).get(LISTENERS, ""))
