"""The rights that the chart grants to its processes."""

from sovereign_operator.api.v1alpha1 import KINDS
from sovereign_operator.controller.observed.reports import PREFERENCE
from sovereign_operator.core import names
from tests.chart.rendering import ALL_GUARDS, ENCRYPTION, IDENTITY, Render, of_kind


def test_only_the_signer_signs_and_reads_keys(render: Render) -> None:
    objects = render(*IDENTITY)
    (signs,) = [
        name
        for name, role in of_kind(objects, "ClusterRole").items()
        for rule in role["rules"]
        if {"sign", "attest"} & set(rule["verbs"])
    ]
    assert signs == "sovereign-signer"
    for role in of_kind(objects, "ClusterRole").values():
        assert not any("secrets" in rule["resources"] for rule in role["rules"])


def test_the_controller_cannot_touch_admission_nor_evict_nor_sign(render: Render) -> None:
    role = of_kind(render(), "ClusterRole")["sovereign-controller"]
    for rule in role["rules"]:
        assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
        if "admissionregistration.k8s.io" in rule["apiGroups"]:
            assert set(rule["verbs"]) == {"list", "watch"}
        forbidden = {"secrets", "pods/eviction", "pods/binding", "signers", "serviceaccounts/token", "pods/exec"}
        assert not forbidden & set(rule["resources"])
        assert not {"escalate", "bind", "impersonate", "sign"} & set(rule["verbs"])


def test_the_controller_reads_services_where_traffic_is_encrypted(render: Render) -> None:
    for options, expected in (((), []), (ENCRYPTION, [["get", "list", "watch"]])):
        rules = of_kind(render(*options), "ClusterRole")["sovereign-controller"]["rules"]
        assert [rule["verbs"] for rule in rules if "services" in rule["resources"]] == expected


def test_the_controller_writes_reports_only_where_a_value_says_so(render: Render) -> None:
    for options, expected in ((ENCRYPTION, set()), (ALL_GUARDS, {kind.plural for kind in PREFERENCE})):
        rules = of_kind(render(*options), "ClusterRole")["sovereign-controller"]["rules"]
        groups = {kind.api_version.partition("/")[0] for kind in PREFERENCE}
        about = [rule for rule in rules if groups & set(rule["apiGroups"])]
        assert {what for rule in about for what in rule["resources"]} == expected
        for rule in about:
            # Neither does it write those of other tools.
            assert rule.get("resourceNames") == (None if "watch" in rule["verbs"] else [names.REPORT])


def test_who_may_view_a_namespace_may_read_its_report_and_no_other(render: Render) -> None:
    (rule,) = (
        rule
        for rule in of_kind(render(*ALL_GUARDS), "ClusterRole")["sovereignty-view"]["rules"]
        if {kind.plural for kind in PREFERENCE} & set(rule["resources"])
    )
    assert rule["resourceNames"] == [names.REPORT]
    assert set(rule["verbs"]) == {"get", "list", "watch"}
    assert set(rule["apiGroups"]) == {kind.api_version.partition("/")[0] for kind in PREFERENCE}
    assert not [
        rule
        for rule in of_kind(render(*ENCRYPTION), "ClusterRole")["sovereignty-view"]["rules"]
        if "reports" in rule["resources"]
    ]


def test_the_signer_may_do_more_only_where_sidecars_ask_it(render: Render) -> None:
    def rights(*options: str) -> set[tuple[str, str]]:
        roles = [role for role in render(*options) if role["kind"] in {"ClusterRole", "Role"}]
        return {
            (what, verb)
            for role in roles
            if role["metadata"]["name"] == "sovereign-signer"
            for rule in role["rules"]
            for what in [*rule.get("resources", ()), *rule.get("nonResourceURLs", ())]
            for verb in rule["verbs"]
        }

    more = rights(*ENCRYPTION) - rights(*IDENTITY)
    assert more == {
        ("tokenreviews", "create"),
        ("/openid/v1/jwks", "get"),
        ("pods", "patch"),
        ("namespaces", "list"),
        ("namespaces", "watch"),
        *(("configmaps", verb) for verb in ("get", "list", "watch", "create", "patch", "delete")),
        ("services", "get"),
    }


def test_no_process_approves_and_who_may_is_for_an_admin_to_say(render: Render) -> None:
    roles = of_kind(render(*ENCRYPTION), "ClusterRole", "Role")
    approvers = {name for name, role in roles.items() if any("approve" in rule["verbs"] for rule in role["rules"])}
    assert approvers == {"sovereignty-derogation-approver"}
    about = {
        name
        for name, role in roles.items()
        if any("derogations" in rule.get("resources", ()) and "create" in rule["verbs"] for rule in role["rules"])
    }
    assert about == {"sovereignty-derogation-requester"}
    for name in approvers | about:
        assert not [key for key in roles[name]["metadata"]["labels"] if "aggregate" in key]
    bindings = of_kind(render(*ENCRYPTION), "ClusterRoleBinding", "RoleBinding").values()
    assert not {binding["roleRef"]["name"] for binding in bindings} & (approvers | about)


def test_who_reads_verdicts_reads_no_pods_and_writes_nothing(render: Render) -> None:
    role = of_kind(render(*ALL_GUARDS), "ClusterRole")["sovereignty-cluster-view"]
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    shown = {what for rule in role["rules"] for what in rule["resources"]}
    assert {kind.plural for kind in KINDS} <= shown
    assert not shown & {"pods", "secrets", "configmaps", "deployments", "*"}
    assert not of_kind(render(*ALL_GUARDS), "ClusterRoleBinding").get("sovereignty-cluster-view")


def test_a_value_binds_groups_to_the_role_that_reads_verdicts(render: Render) -> None:
    bindings = of_kind(render("--set=clusterView.groups={platform,oidc:audit}"), "ClusterRoleBinding")
    binding = bindings["sovereignty-cluster-view"]
    assert binding["roleRef"]["name"] == "sovereignty-cluster-view"
    assert [(subject["kind"], subject["name"]) for subject in binding["subjects"]] == [
        ("Group", "platform"),
        ("Group", "oidc:audit"),
    ]


def test_who_records_facts_changes_no_demands_and_approves_nothing(render: Render) -> None:
    role = of_kind(render(*ALL_GUARDS), "ClusterRole")["sovereignty-facts-admin"]
    writing = [rule for rule in role["rules"] if not {*rule["verbs"]} <= {"get", "list", "watch"}]
    written = {what for rule in writing for what in rule["resources"]}
    assert written == {"cloudservices", "datacentres"}
    assert not [key for key in role["metadata"]["labels"] if "aggregate" in key]
