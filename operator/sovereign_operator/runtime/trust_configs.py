"""Trust ConfigMaps: a policy's trust bundle for sidecars that ask the signer themselves.

Each namespace whose pods may get certificates of the policy has a copy. The one in the operator's own namespace is the
record: the signer writes it first, and the controller compares the copies with it. Only the signer writes any of them.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.core.sidecar.contract import SIGNER_ADDRESSES, SIGNER_CA, TRUSTED, trust_config_map
from sovereign_operator.kube.by_policy import ByPolicy
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.runtime.bundles import ObservedBundle, observe_bundle

FORMER_RECORDS: Final = 8
"""How many records of a policy are remembered: a copy that is as one of them was written by the signer."""
KEYS: Final = frozenset({TRUSTED, SIGNER_CA, SIGNER_ADDRESSES})


@dataclass(frozen=True)
class TrustConfig:
    """A trust ConfigMap, as far as decisions depend on it."""

    policy: str
    digest: str
    """Of its data, as ``digest_of`` returns it."""
    genuine: bool
    """Whether it has the form that the signer gives it. Otherwise somebody wrote it before a guard was there."""


@dataclass(frozen=True)
class TrustRecord:
    """The trust ConfigMap in the operator's own namespace."""

    bundle: ObservedBundle
    data: Mapping[str, str]
    digest: str
    """Of the data: that of a copy which is up to date."""


def digest_of(data: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits that stand for the data of a trust ConfigMap."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def trust_data(trusted: str, serving_authority: str, host: str, addresses: Iterable[str]) -> dict[str, str]:
    """Return the data: trust bundle, the signer's serving authority (both in PEM), and where the signer is."""
    where = {"host": host, "addresses": list(addresses)}
    return {TRUSTED: trusted, SIGNER_CA: serving_authority, SIGNER_ADDRESSES: json.dumps(where)}


def trust_config_body(policy: str, namespace: str, data: Mapping[str, str], pairs: str = "") -> Json:
    """Return the ConfigMap. It has no owner: if the policy is deleted, it stays, and trusts nobody."""
    metadata: Json = {
        "name": trust_config_map(policy),
        "namespace": namespace,
        "labels": {names.TRUST_BUNDLE_LABEL: policy},
    }
    if pairs:
        metadata["annotations"] = {names.AUTHORITIES_ANNOTATION: pairs}
    return resource.CONFIG_MAPS.header | {"metadata": metadata, "data": dict(data)}


def see_trust_config(obj: Json) -> TrustConfig | None:
    """Read one; None if the name differs: before there was a guard, anyone could put the label on a ConfigMap."""
    metadata, data = obj["metadata"], obj.get("data") or {}
    policy = metadata["labels"][names.TRUST_BUNDLE_LABEL]
    if metadata["name"] != trust_config_map(policy):
        return None
    genuine = (
        data.keys() == KEYS
        and metadata["labels"].keys() == {names.TRUST_BUNDLE_LABEL}
        and not any(metadata.get(key) for key in ("ownerReferences", "finalizers"))
        and not obj.get("binaryData")
        and not obj.get("immutable")
    )
    return TrustConfig(policy, digest_of(data), genuine)


def see_trust_record(obj: Json) -> TrustRecord | None:
    """Read the one in the operator's own namespace."""
    seen = see_trust_config(obj)
    if seen is None:
        return None
    data = dict(obj.get("data") or {})
    return TrustRecord(observe_bundle(seen.policy, data.get(TRUSTED, ""), obj["metadata"]), data, seen.digest)


class TrustConfigs:
    """Mirrors of all trust ConfigMaps. ``changed`` is called with namespace and policy of each change."""

    def __init__(self, api: Api, namespace: str, changed: Callable[[str, str], None]) -> None:
        mirror = partial(Mirror, api, resource.CONFIG_MAPS, label_selector=names.TRUST_BUNDLE_LABEL)
        self._namespace = namespace
        self._changed = changed
        self._former: dict[str, deque[str]] = {}
        """By policy, the digests of the records that were observed last."""
        self._copies: Mirror[TrustConfig] = mirror(see_trust_config, self._copy_changed)
        self._by_policy: ByPolicy[TrustConfig] = ByPolicy()
        self._records: Mirror[TrustRecord] = mirror(
            see_trust_record,
            self._record_changed,
            namespace=namespace,
        )

    def _copy_changed(self, key: ObjectKey, old: TrustConfig | None, new: TrustConfig | None) -> None:
        for policy in self._by_policy.take(key, old, new):
            self._changed(key[0], policy)

    def _record_changed(self, _key: ObjectKey, old: TrustRecord | None, new: TrustRecord | None) -> None:
        policy = (new or old).bundle.policy  # type: ignore[union-attr]
        if new:
            self._former.setdefault(policy, deque(maxlen=FORMER_RECORDS)).append(new.digest)
        else:
            self._former.pop(policy, None)
        self._changed(self._namespace, policy)

    @property
    def mirrors(self) -> tuple[Mirror[TrustConfig], Mirror[TrustRecord]]:
        """The mirrors to run."""
        return self._copies, self._records

    @property
    def records(self) -> dict[str, TrustRecord]:
        """The record of each policy."""
        return {record.bundle.policy: record for record in self._records.values()}

    def record(self, policy: str) -> TrustRecord | None:
        """Return the record of a policy."""
        return self._records.get((self._namespace, trust_config_map(policy)))

    def copy(self, namespace: str, policy: str) -> TrustConfig | None:
        """Return the ConfigMap of a policy in a namespace."""
        return self._copies.get((namespace, trust_config_map(policy)))

    def ready_namespaces(self, policy: str) -> frozenset[str]:
        """Return the namespaces whose copy for a policy is as its record, or as this was a while ago.

        A copy follows its record within seconds. What somebody else wrote before there was a guard is no copy.
        """
        former = self._former.get(policy, ())
        copies = self._by_policy.of(policy).items()
        return frozenset(namespace for namespace, seen in copies if seen.genuine and seen.digest in former)
