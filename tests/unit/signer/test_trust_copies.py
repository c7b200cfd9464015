"""Which namespaces get a policy's trust ConfigMap, and which of these are written."""

from collections.abc import Iterable
from typing import Any

import pytest

from sovereign_operator.core import names
from sovereign_operator.core.sidecar.contract import SIGNER_ADDRESSES, SIGNER_CA, TRUSTED, trust_config_map
from sovereign_operator.runtime.trust_configs import trust_config_body
from sovereign_operator.signer.reconcile.trust_copies import outdated_copies
from sovereign_operator.signer.state import SignerState
from tests.unit import states

Json = dict[str, Any]
DATA = {TRUSTED: "-", SIGNER_CA: "-", SIGNER_ADDRESSES: "{}"}
OWN = "sovereign-system"


def policy(**spec: Any) -> Json:
    metadata = {"name": "hds", "uid": "u", "resourceVersion": "1", "generation": 1}
    demands = {"schemes": ["SecNumCloud"], "encryptionInTransit": {"mode": "Permissive"}}
    return {"metadata": metadata, "spec": demands | spec}


def namespace(name: str, **labels: str) -> Json:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "labels": labels}}


def config_map(where: str, **changes: Any) -> Json:
    body = trust_config_body("hds", where, DATA | changes)
    return body | {"metadata": body["metadata"] | {"resourceVersion": "1"}}


def observed(spec: Json, namespaces: Iterable[Json], copies: Iterable[Json] = ()) -> SignerState:
    """Return the state of a signer that leads, and has written its record."""
    state = states.signer({"sovereigntypolicies": [spec]})
    assert state.trust
    all_of_them, records = state.trust.mirrors
    states.show(all_of_them, [config_map(OWN), *copies])
    states.show(records, [config_map(OWN)])
    states.show(state.namespaces, namespaces)
    state.leading = True
    return state


def written(state: SignerState, name: str) -> bool:
    """Return whether the policy's ConfigMap would be written in a namespace."""
    return "hds" in outdated_copies(state, name, state.namespaces["", name])


ENFORCING = {names.ENFORCE_LABEL: "hds"}


@pytest.mark.parametrize(
    ("spec", "labels", "name", "expected"),
    [
        pytest.param({}, ENFORCING, "ward", True, id="the namespace enforces the policy"),
        pytest.param({}, {}, "ward", False, id="the namespace has nothing to do with it"),
        pytest.param({"certificateNamespaces": {"names": ["ward"]}}, {}, "ward", True, id="the policy names it"),
        pytest.param({"certificateNamespaces": {"names": ["lab"]}}, ENFORCING, "ward", False, id="it names others"),
        pytest.param({"encryptionInTransit": None}, ENFORCING, "ward", False, id="the policy does not encrypt"),
        pytest.param(
            {"certificateNamespaces": {"names": ["kube-system"]}}, {}, "kube-system", False, id="it is never in scope"
        ),
    ],
)
def test_namespaces_whose_pods_may_get_certificates(spec: Json, labels: Json, name: str, expected: bool) -> None:
    assert written(observed(policy(**spec), [namespace(name, **labels)]), name) is expected


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        pytest.param(config_map("ward"), False, id="as the record"),
        pytest.param(config_map("ward", **{TRUSTED: "former"}), True, id="as a former record"),
        pytest.param(config_map("ward") | {"immutable": True}, True, id="immutable"),
    ],
)
def test_one_that_is_there_is_kept_as_the_record_is(copy: Json, expected: bool) -> None:
    """Also where the policy gives certificates no more: the pods there go on to trust whom the policy trusts."""
    state = observed(policy(encryptionInTransit=None), [namespace("ward")], [copy])
    assert written(state, "ward") is expected
    assert trust_config_map("hds") == copy["metadata"]["name"]
