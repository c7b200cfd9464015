"""What the ConfigMaps of sidecars say."""

import json
from dataclasses import dataclass

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core import names
from sovereign_operator.core.cuts import Cuts
from sovereign_operator.core.sidecar import LISTENERS
from sovereign_operator.kube.api import Json

MODE, CUTS, TRUSTED = "mode", "cuts", "trusted"
"""Beside what Envoy reads, for people and for us."""


@dataclass(frozen=True)
class Told:
    """What a ConfigMap of ours says."""

    policy: str
    mode: str
    listeners: str
    cuts: Cuts

    @property
    def version(self) -> str:
        """Which settings these are, as the sidecars say which they have loaded."""
        return version_of(self.listeners)

    @property
    def encryption_mode(self) -> EncryptionMode:
        """The mode; Off if it is none, as somebody else wrote it then."""
        return EncryptionMode(self.mode) if self.mode in {*EncryptionMode} else EncryptionMode.OFF


def see_told(obj: Json) -> Told:
    """Keep what a ConfigMap of ours says."""
    data = obj.get("data", {})
    number = data.get(CUTS, "")
    cuts = Cuts(int(number) if number.isdecimal() else 0, frozenset(data.get(TRUSTED, "").split()))
    return Told(obj["metadata"]["labels"][names.TRANSIT_LABEL], data.get(MODE, ""), data.get(LISTENERS, ""), cuts)


def data_of(told: Told) -> dict[str, str]:
    """Return what a ConfigMap holds that says this."""
    return {
        MODE: told.mode,
        CUTS: str(told.cuts.number),
        TRUSTED: " ".join(sorted(told.cuts.trusted)),
        LISTENERS: told.listeners,
    }


def version_of(listeners: str) -> str:
    """Return the version of settings, as JSON. Empty if they have none: somebody else wrote them."""
    try:
        return str(json.loads(listeners)["version_info"])
    except (ValueError, KeyError, TypeError):
        return ""
