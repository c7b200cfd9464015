"""What the controller tells sidecars, agents and injectors of a policy's encryption, by ConfigMap.

There is one in each namespace with sidecars, for these to load, and one in the operator's own namespace: that is the
record of how far the policy has come, and it is written last.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core import names
from sovereign_operator.core.bounded_json import read_json
from sovereign_operator.core.encryption.agent_report import is_number
from sovereign_operator.core.encryption.disconnects import Disconnects, TrustedAnchor
from sovereign_operator.core.encryption.rollout import needs_sidecar
from sovereign_operator.core.encryption.traffic_rules import Datagrams
from sovereign_operator.core.sidecar.contract import FORMER_LISTENERS_KEYS, LISTENERS_KEY, transit_config_map
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.mirror import Mirror

MODE, DATAGRAMS, RULES, CUTS, TRUSTED = "mode", "datagrams", "rules", "cuts", "trusted"
"""Beside what Envoy reads, for people and for us."""

ANY: Final = "any"


@dataclass(frozen=True)
class TransitConfig:
    """What a ConfigMap of ours says."""

    policy: str
    mode: str
    listeners: str
    former_listeners: tuple[str, ...]
    """For pods of before: see FORMER_LISTENERS_KEYS."""
    datagrams: tuple[Datagrams, ...] | None
    """The UDP that may pass beside DNS; None: all of it."""
    cuts: Disconnects
    rules: int = 0
    """The number of these rules for datagrams, which agents acknowledge; 0 if an earlier version wrote this."""

    @property
    def version(self) -> str:
        """Which settings these are, as the sidecars say which they have loaded."""
        return next((found for found in map(version_of, (self.listeners, *self.former_listeners)) if found), "")

    @property
    def encryption_mode(self) -> EncryptionMode:
        """The mode; Off if it is none, as somebody else wrote it then."""
        return EncryptionMode(self.mode) if self.mode in {*EncryptionMode} else EncryptionMode.OFF


class TransitConfigs(Mirror[TransitConfig]):
    """What is said in the operator's own namespace, by policy."""

    def __init__(self, api: Api, namespace: str, changed: Callable[[str], None]) -> None:
        self._namespace = namespace
        super().__init__(
            api,
            resource.CONFIG_MAPS,
            see_transit_config,
            lambda _key, old, new: changed((new or old).policy),  # type: ignore[union-attr]
            namespace=namespace,
            label_selector=names.TRANSIT_LABEL,
        )

    def of(self, policy: str) -> TransitConfig | None:
        """Return what is said of a policy; None if it never encrypted, or is gone."""
        return self.get((self._namespace, transit_config_map(policy)))


def encrypts(spec: SovereigntyPolicySpec, told: TransitConfig | None) -> bool:
    """Whether pods of a policy need a sidecar."""
    wanted = spec.encryption_in_transit
    return needs_sidecar(wanted.mode if wanted else None, told.encryption_mode if told else None)


def see_transit_config(obj: Json) -> TransitConfig | None:
    """Keep what a ConfigMap of ours says. Only by its name it is one: anybody may write the label on others."""
    policy, data = obj["metadata"]["labels"][names.TRANSIT_LABEL], obj.get("data", {})
    if obj["metadata"]["name"] != transit_config_map(policy):
        return None
    return TransitConfig(
        policy,
        data.get(MODE, ""),
        data.get(LISTENERS_KEY, ""),
        tuple(data.get(key, "") for key in FORMER_LISTENERS_KEYS),
        _see_datagrams(data.get(DATAGRAMS, "")),
        Disconnects(
            _number(data.get(CUTS, "")),
            frozenset(map(TrustedAnchor.parse, data.get(TRUSTED, "").split())),
        ),
        _number(data.get(RULES, "")),
    )


def _number(text: str) -> int:
    return int(text) if is_number(text) else 0


def _see_datagrams(text: str) -> tuple[Datagrams, ...] | None:
    """Read which may pass. Where somebody else wrote nonsense, none may."""
    if text == ANY:
        return None
    try:
        return tuple(map(Datagrams.parse, text.splitlines()))
    except ValueError:
        return ()


def data_of(told: TransitConfig) -> dict[str, str]:
    """Return what a ConfigMap holds that says this."""
    return {
        MODE: told.mode,
        DATAGRAMS: ANY if told.datagrams is None else "\n".join(map(str, told.datagrams)),
        RULES: str(told.rules),
        CUTS: str(told.cuts.number),
        TRUSTED: " ".join(sorted(map(str, told.cuts.trusted))),
        LISTENERS_KEY: told.listeners,
        **dict(zip(FORMER_LISTENERS_KEYS, told.former_listeners, strict=True)),
    }


def version_of(listeners: str) -> str:
    """Return the version of settings, as JSON. Empty if they have none: somebody else wrote them."""
    try:
        return str(read_json(listeners.encode())["version_info"])
    except (ValueError, KeyError, TypeError):
        return ""
