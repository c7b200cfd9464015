"""Which trust ConfigMaps count as written by the signer."""

from datetime import timedelta
from typing import Any

import pytest

from sovereign_operator.core.names import TRUST_BUNDLE_LABEL
from sovereign_operator.core.sidecar.contract import SIGNER_ADDRESSES, SIGNER_CA, TRUSTED
from sovereign_operator.pki import bundle
from sovereign_operator.runtime.trust_configs import (
    TrustConfigs,
    see_trust_config,
    trust_config_body,
    trust_data,
)
from tests.builders import NOW
from tests.unit.states import CLOCK_ALONE, show

Json = dict[str, Any]
NOBODY, OTHER = (bundle.write([bundle.nobody("example.org", NOW, NOW + timedelta(days=1))]) for _ in range(2))
DATA = trust_data(NOBODY, "the signer's authority", "sovereign-signer.own.svc", ["10.96.0.7:443", "[fd00::7]:443"])
LATER = DATA | {TRUSTED: OTHER}


def config_map(namespace: str, recorded: Json = DATA, policy: str = "hds", **changes: Any) -> Json:
    body = trust_config_body(policy, namespace, recorded)
    metadata = body["metadata"] | {"resourceVersion": "1"} | changes.pop("metadata", {})
    return body | {"metadata": metadata} | changes


@pytest.fixture
def changes() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def configs(changes: list[tuple[str, str]]) -> TrustConfigs:
    configs = TrustConfigs(CLOCK_ALONE, "own", lambda *change: changes.append(change))
    observe(configs, config_map("own"))
    changes.clear()
    return configs


def observe(configs: TrustConfigs, *objects: Json) -> None:
    copies, records = configs.mirrors
    show(copies, objects)
    show(records, [obj for obj in objects if obj["metadata"]["namespace"] == "own"])


def test_what_is_written_is_what_is_read(configs: TrustConfigs) -> None:
    record = configs.record("hds")
    assert record
    assert record.data == DATA
    assert record.data.keys() == {TRUSTED, SIGNER_CA, SIGNER_ADDRESSES}
    assert [anchor.not_before for anchor in record.bundle.anchors] == [NOW]
    assert configs.record("other") is None


def test_a_copy_is_ready(configs: TrustConfigs) -> None:
    observe(configs, config_map("ward"), config_map("lab", policy="other"))
    assert configs.ready_namespaces("hds") == {"own", "ward"}
    assert configs.ready_namespaces("other") == frozenset()


def test_a_copy_that_is_late_is_ready_all_the_same(configs: TrustConfigs) -> None:
    """A new authority must not keep pods from starting until all namespaces know it."""
    observe(configs, config_map("ward"), config_map("own", LATER))
    assert configs.ready_namespaces("hds") == {"own", "ward"}


FORGED: dict[str, Json] = {
    "other authorities": {"data": LATER},
    "one key more": {"data": DATA | {"more": ""}},
    "one key less": {"data": {TRUSTED: NOBODY}},
    "no data": {"data": None},
    "immutable": {"immutable": True},
    "with an owner": {"metadata": {"ownerReferences": [{"name": "me"}]}},
    "with a finalizer": {"metadata": {"finalizers": ["mine/forever"]}},
    "with another label": {"metadata": {"labels": {TRUST_BUNDLE_LABEL: "hds", "mine": ""}}},
    "with binary data": {"binaryData": {"trusted.pem": "AA=="}},
}


@pytest.mark.parametrize("changed", FORGED.values(), ids=FORGED)
def test_what_somebody_else_put_there_is_not(configs: TrustConfigs, changed: Json) -> None:
    observe(configs, config_map("ward", **changed))
    assert "ward" not in configs.ready_namespaces("hds")


def test_nothing_is_ready_without_a_record(configs: TrustConfigs) -> None:
    observe(configs, config_map("ward"))
    configs.mirrors[1]._take("DELETED", config_map("own"))  # noqa: SLF001 - called by its watch
    assert configs.ready_namespaces("hds") == frozenset()


def test_another_name_with_the_label_is_none() -> None:
    assert (
        see_trust_config(config_map("ward", metadata={"name": "mine", "labels": {TRUST_BUNDLE_LABEL: "hds"}})) is None
    )


def test_changes_name_namespace_and_policy(configs: TrustConfigs, changes: list[tuple[str, str]]) -> None:
    observe(configs, config_map("ward"))
    assert changes == [("ward", "hds")]
    observe(configs, config_map("own", LATER))
    assert set(changes[1:]) == {("own", "hds")}
