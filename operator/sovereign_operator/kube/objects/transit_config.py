"""The transit config of a policy: the ConfigMap by which the controller configures encryption.

Each namespace with sidecars of the policy has a copy, which these sidecars load. Agents and injectors read the copy in
the operator's own namespace. The controller writes that copy last: it records which encryption mode the policy has
reached.
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

MODE, DATAGRAMS, RULES, DISCONNECTS, TRUSTED = "mode", "datagrams", "rules", "cuts", "trusted"
"""Data keys that Envoy does not read: the operator's processes and people do."""

ANY: Final = "any"
"""The value of DATAGRAMS that lets all UDP pass."""


@dataclass(frozen=True)
class TransitConfig:
    """A parsed transit config."""

    policy: str
    mode: str
    listeners: str
    former_listeners: tuple[str, ...]
    """Listeners for pods that an earlier version injected: see FORMER_LISTENERS_KEYS."""
    datagrams: tuple[Datagrams, ...] | None
    """The UDP that may pass besides DNS; None if all UDP may pass."""
    disconnects: Disconnects
    rules: int = 0
    """The number of this set of UDP rules, which agents acknowledge; 0 if an earlier version wrote the ConfigMap."""

    @property
    def version(self) -> str:
        """The version of the listeners, which sidecars report once they have loaded them; empty if none has one."""
        return next((found for found in map(version_of, (self.listeners, *self.former_listeners)) if found), "")

    @property
    def encryption_mode(self) -> EncryptionMode:
        """The mode; Off if the text is not a mode, which the controller never writes."""
        return EncryptionMode(self.mode) if self.mode in {*EncryptionMode} else EncryptionMode.OFF


class TransitConfigs(Mirror[TransitConfig]):
    """The transit configs in the operator's own namespace. ``changed`` is called with the policy of each change."""

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
        """Return the transit config of a policy; None if the policy never encrypted, or is gone."""
        return self.get((self._namespace, transit_config_map(policy)))


def policy_needs_sidecar(spec: SovereigntyPolicySpec, config: TransitConfig | None) -> bool:
    """Whether pods of a policy need a sidecar: its spec or its transit config has a mode that demands one."""
    wanted = spec.encryption_in_transit
    return needs_sidecar(wanted.mode if wanted else None, config.encryption_mode if config else None)


def see_transit_config(obj: Json) -> TransitConfig | None:
    """Read a transit config; None if the name differs: anyone may put the label on another ConfigMap."""
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
            _number(data.get(DISCONNECTS, "")),
            frozenset(map(TrustedAnchor.parse, data.get(TRUSTED, "").split())),
        ),
        _number(data.get(RULES, "")),
    )


def _number(text: str) -> int:
    return int(text) if is_number(text) else 0


def _see_datagrams(text: str) -> tuple[Datagrams, ...] | None:
    """Read which UDP may pass. If the text cannot be parsed, none may."""
    if text == ANY:
        return None
    try:
        return tuple(map(Datagrams.parse, text.splitlines()))
    except ValueError:
        return ()


def data_of(config: TransitConfig) -> dict[str, str]:
    """Return the data of the ConfigMap, from which ``see_transit_config`` reads the same transit config."""
    return {
        MODE: config.mode,
        DATAGRAMS: ANY if config.datagrams is None else "\n".join(map(str, config.datagrams)),
        RULES: str(config.rules),
        DISCONNECTS: str(config.disconnects.number),
        TRUSTED: " ".join(sorted(map(str, config.disconnects.trusted))),
        LISTENERS_KEY: config.listeners,
        **dict(zip(FORMER_LISTENERS_KEYS, config.former_listeners, strict=True)),
    }


def version_of(listeners: str) -> str:
    """Return the version of listeners, which are JSON; empty if they have none, which the controller never writes."""
    try:
        return str(read_json(listeners.encode())["version_info"])
    except (ValueError, KeyError, TypeError):
        return ""
