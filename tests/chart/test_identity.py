"""Certificates are opt-in, encryption needs them, and their keys are in a namespace of their own."""

import pytest

from tests.chart.rendering import IDENTITY, Json, Render, of_kind, template


def test_identity_is_opt_in_and_needs_a_trust_domain(render: Render) -> None:
    without = {(obj["kind"], obj["metadata"]["name"]) for obj in render()}
    with_it = {(obj["kind"], obj["metadata"]["name"]) for obj in render(*IDENTITY)}
    assert ("Deployment", "sovereign-signer") in with_it - without
    assert ("ValidatingAdmissionPolicy", "sovereignty-guard-requests") in with_it - without
    refused = template("--set", "identity.enabled=true")
    assert refused.returncode
    assert "trustDomain" in refused.stderr


def test_encryption_is_opt_in_and_needs_identity(render: Render) -> None:
    assert ("ValidatingAdmissionPolicy", "sovereignty-guard-transit") not in {
        (obj["kind"], obj["metadata"]["name"]) for obj in render(*IDENTITY)
    }
    refused = template("--set", "encryption.enabled=true")
    assert refused.returncode
    assert "needs identity.enabled" in refused.stderr


def secret_rules(objects: list[Json]) -> dict[tuple[str, str], set[str]]:
    """Return the verbs that Roles grant for Secrets, by namespace and name of the Role."""
    return {
        (role["metadata"]["namespace"], role["metadata"]["name"]): set(rule["verbs"])
        for role in objects
        if role["kind"] == "Role"
        for rule in role["rules"]
        if "secrets" in rule["resources"]
    }


def test_keys_are_in_a_namespace_of_their_own_which_is_kept(render: Render) -> None:
    objects = render(*IDENTITY)
    rules = secret_rules(objects)
    assert rules["sovereign-keys", "sovereign-signer"] == {"get", "list", "watch", "create", "patch"}
    assert ("sovereign-system", "sovereign-signer") not in rules
    assert {where for where, _ in rules} <= {"sovereign-keys", "sovereign-system"}
    assert [name for where, name in rules if where == "sovereign-keys"] == ["sovereign-signer"]
    namespace = of_kind(objects, "Namespace")["sovereign-keys"]
    assert namespace["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_former_place_of_keys_is_open_as_long_as_they_move(render: Render) -> None:
    rules = secret_rules(render(*IDENTITY, "--set", "identity.moveKeys=true"))
    assert rules["sovereign-system", "sovereign-signer"] == {"list", "watch", "delete"}


@pytest.mark.parametrize("shared", ["sovereign-system", "kube-system"])
def test_keys_share_no_namespace(shared: str) -> None:
    refused = template(*IDENTITY, "--set", f"identity.keysNamespace={shared}")
    assert refused.returncode
    assert "name a namespace of their own" in refused.stderr
