"""Which policy holds a pod, and where that comes from, is said as the operator decides it."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.cli.answers.claim import Claim
from sovereign_operator.cli.answers.scope import Scope, scope_of
from sovereign_operator.core import names
from sovereign_operator.core.workload.scope import enforced_policy, policy_of_pod

NEVER = frozenset({"kube-system", "sovereign-system"})
POLICIES = frozenset({"secnumcloud", "hds"})


def scope(
    namespace_labels: Mapping[str, str] | None, pod_labels: Mapping[str, str], namespace: str = "hospital"
) -> Scope:
    return scope_of(namespace, namespace_labels, pod_labels, never_in_scope=NEVER, policies=POLICIES)


@pytest.mark.parametrize(
    ("namespace_labels", "pod_labels", "policy", "words"),
    [
        ({names.ENFORCE_LABEL: "hds"}, {}, "hds", "namespace hospital enforces it"),
        ({names.ENFORCE_LABEL: "hds"}, {names.POLICY_LABEL: "hds"}, "hds", "namespace hospital enforces it"),
        ({names.ENFORCE_LABEL: "hds"}, {names.POLICY_LABEL: "secnumcloud"}, "hds", "names secnumcloud, which does not"),
        ({}, {names.POLICY_LABEL: "secnumcloud"}, "secnumcloud", "the pod has the label sovereignty.dev/policy"),
        ({}, {}, None, "neither the label sovereignty.dev/enforce of namespace hospital nor"),
        ({names.ENFORCE_LABEL: ""}, {names.POLICY_LABEL: "hds"}, None, "without a value: admission refuses"),
        (None, {names.PLACED_LABEL: "hds"}, "hds", "you may not read namespace hospital"),
        (None, {names.POLICY_LABEL: "hds"}, None, "you may not read namespace hospital"),
    ],
)
def test_it_says_where_a_policy_comes_from(
    namespace_labels: dict[str, str] | None, pod_labels: dict[str, str], policy: str | None, words: str
) -> None:
    found = scope(namespace_labels, pod_labels)
    assert found.policy == policy
    assert words in found.source


def test_labels_that_only_try_a_policy_are_told_and_hold_no_pod() -> None:
    found = scope({names.WARN_LABEL: "hds", names.AUDIT_LABEL: "secnumcloud"}, {})
    assert found.policy is None
    assert "its label sovereignty.dev/warn only tries hds" in found.source
    assert "its label sovereignty.dev/audit only tries secnumcloud" in found.source


def test_a_system_namespace_is_never_in_scope() -> None:
    found = scope({names.ENFORCE_LABEL: "hds"}, {}, namespace="kube-system")
    assert (found.policy, found.fault) == (None, "")
    assert "never in scope" in found.source


def test_a_policy_that_does_not_exist_is_a_fault_that_says_what_to_do() -> None:
    found = scope({names.ENFORCE_LABEL: "secnumclod"}, {})
    assert found.policy == "secnumclod"
    assert "there is no SovereigntyPolicy secnumclod: create it or correct the name" in found.fault
    assert "hds, secnumcloud" in found.fault


def test_who_may_not_list_policies_is_told_of_no_fault() -> None:
    labels = {names.ENFORCE_LABEL: "anything"}
    assert scope_of("hospital", labels, {}, never_in_scope=NEVER, policies=None).fault == ""


def test_a_policy_that_cannot_be_read_is_a_fault() -> None:
    labels = {names.ENFORCE_LABEL: "hds"}
    found = scope_of("hospital", labels, {}, never_in_scope=NEVER, policies=POLICIES, unreadable={"hds"})
    assert found.fault.startswith("SovereigntyPolicy hds cannot be read: correct it")


def test_a_label_without_a_value_is_a_fault_with_the_command() -> None:
    fault = scope({names.ENFORCE_LABEL: ""}, {}).fault
    assert "kubectl label namespace hospital sovereignty.dev/enforce=POLICY --overwrite" in fault


def test_it_names_the_sovereign_workload_that_wrote_the_label() -> None:
    labels = {names.POLICY_LABEL: "hds"}
    claim = Claim("records")
    found = scope_of("hospital", {}, labels, never_in_scope=NEVER, policies=POLICIES, claim=claim)
    assert "which SovereignWorkload records has the operator write" in found.source


LABELS = st.dictionaries(
    st.sampled_from((names.ENFORCE_LABEL, names.POLICY_LABEL, names.PLACED_LABEL)), st.sampled_from(("", "hds", "no"))
)


@given(LABELS, LABELS, st.sampled_from(("hospital", "kube-system")))
def test_it_is_the_policy_that_the_operator_holds_the_pod_to(
    namespace_labels: dict[str, str], pod_labels: dict[str, str], namespace: str
) -> None:
    wanted = policy_of_pod(namespace, enforced_policy(namespace_labels), pod_labels, NEVER)
    assert scope(namespace_labels, pod_labels, namespace).policy == wanted
