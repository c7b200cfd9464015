"""Certificates are opt-in, encryption needs them, and their keys are in a namespace of their own."""

import pytest

from sovereign_operator.core import names
from sovereign_operator.signer.settings import parse
from tests.chart.rendering import ENCRYPTION, IDENTITY, Json, Render, of_kind, template

SIGNER = "sovereign-signer"


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


def test_the_signer_answers_sidecars_only_where_there_are_some(render: Render) -> None:
    for options, answers in ((IDENTITY, False), (ENCRYPTION, True)):
        objects = render(*options)
        assert (SIGNER in of_kind(objects, "Service")) is answers
        assert (SIGNER in of_kind(objects, "NetworkPolicy")) is answers
        (container,) = of_kind(objects, "Deployment")[SIGNER]["spec"]["template"]["spec"]["containers"]
        assert ("--certificate-port=8443" in container["args"]) is answers
        assert {port["name"] for port in container["ports"]} == {"http", *["certificates"][: int(answers)]}
        for guard in ("tokens", "trust"):
            assert (f"sovereignty-guard-{guard}" in of_kind(objects, "ValidatingAdmissionPolicy")) is answers


@pytest.mark.parametrize(
    ("value", "checks"),
    [("", True), ("true", True), ("false", False), ("null", True)],
    ids=["by default", "on", "off", "absent"],
)
def test_addresses_of_pods_count_unless_the_chart_says_otherwise(render: Render, value: str, *, checks: bool) -> None:
    """Values of a release that is older than this one are without it."""
    options = ("--set", f"identity.checkAddress={value}") if value else ()
    (container,) = of_kind(render(*ENCRYPTION, *options), "Deployment")[SIGNER]["spec"]["template"]["spec"][
        "containers"
    ]
    assert parse(["--namespace=sovereign-system", "--identity=signer-1", *container["args"]]).check_address is checks


def test_addresses_are_checked_or_not_and_nothing_else() -> None:
    refused = template(*ENCRYPTION, "--set-string", "identity.checkAddress=false")
    assert refused.returncode
    assert "checkAddress" in refused.stderr


def test_sidecars_reach_the_signer_by_its_service(render: Render) -> None:
    objects = render(*ENCRYPTION)
    service = of_kind(objects, "Service")[names.SIGNER_SERVICE]
    pod = of_kind(objects, "Deployment")[SIGNER]["spec"]["template"]
    assert service["metadata"]["namespace"] == "sovereign-system"
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    (port,) = service["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (443, "certificates")
    assert {"name": "certificates", "containerPort": 8443} in pod["spec"]["containers"][0]["ports"]
