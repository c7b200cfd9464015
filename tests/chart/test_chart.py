"""What the chart installs, as Helm renders it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from hack.install import CHART
from sovereign_operator.controller import metrics as controller_metrics
from sovereign_operator.controller import settings as controller_settings
from sovereign_operator.core import names
from sovereign_operator.core.admission.webhooks import TRUST, WEBHOOKS
from sovereign_operator.core.workload.decision import MOST_ENTRIES
from sovereign_operator.kube import refused_writes as refused
from sovereign_operator.kube import unreadable
from sovereign_operator.kube.objects.guard import read_list
from sovereign_operator.runtime import metrics as runtime_metrics
from sovereign_operator.signer import metrics as signer_metrics
from sovereign_operator.signer import settings as signer_settings
from tests.chart.rendering import ENCRYPTION, IDENTITY, Json, Render, guard_list, of_kind, run_helm, template

ADMISSION = "admissionregistration.k8s.io/v1"


def test_helm_finds_nothing_wrong(render: Render) -> None:
    assert render()
    linted = run_helm("lint", "--strict", str(CHART))
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_crds_are_those_that_are_generated(render: Render) -> None:
    rendered = of_kind(render(), "CustomResourceDefinition")
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CHART / "files" / "crds").glob("*.yaml")]
    assert len(files) == 4
    for crd in files:
        name = crd["metadata"]["name"]
        assert rendered[name]["spec"] == crd["spec"]
        assert rendered[name]["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_crds_can_be_left_out_and_can_go_with_the_release(render: Render) -> None:
    assert not of_kind(render("--set", "crds.enabled=false"), "CustomResourceDefinition")
    going = of_kind(render("--set", "crds.keep=false"), "CustomResourceDefinition")
    assert not any("annotations" in crd["metadata"] for crd in going.values())


def expressions(spec: Any) -> Iterator[str]:
    """Yield all CEL of an admission policy's spec."""
    for key, value in spec.items() if isinstance(spec, dict) else enumerate(spec):
        if isinstance(value, dict | list):
            yield from expressions(value)
        elif str(key).lower().endswith("expression"):
            yield value


def test_no_guard_asks_for_a_subresource_that_a_request_may_lack(render: Render) -> None:
    """The API server omits an empty subresource. The resulting error would disable a guard that fails open."""
    policies = of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
    asking = {
        name for name, policy in policies.items() if "request.subResource =" in str([*expressions(policy["spec"])])
    }
    assert not asking


FILLED = {
    *("labels", "oldLabels", "podLabels", "oldPodLabels", "annotations", "oldAnnotations"),
    *("nodeSelector", "oldNodeSelector", "taints", "owners", "ownerReferences"),
    *("volumes", "initial", "containers", "ephemeral", "users", "sysctls"),
}
"""CEL names of the fields into which users may put any number of entries."""


def test_no_guard_goes_through_what_others_fill_before_it_has_counted_it(render: Render) -> None:
    """For 30,000 entries the API server takes longer than a request may take, and other requests wait meanwhile."""
    policies = of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
    uncounted = set()
    for name, policy in policies.items():
        texts = [*expressions(policy["spec"])]
        crowded = any(variable["name"] == "crowded" for variable in policy["spec"].get("variables", ()))
        for text in texts:
            for macro in re.finditer(r"\.(?:all|exists|exists_one|filter|map)\(\w+,", text):
                receiver = text[: macro.start()].split()[-1].removesuffix(".orValue([])").removesuffix(".orValue({})")
                if re.split(r"\W", receiver)[-1] in FILLED and "size()" not in text and not crowded:
                    uncounted.add((name, receiver))
    assert not uncounted


def test_the_controller_is_told_of_every_guard(render: Render) -> None:
    objects = render(*ENCRYPTION)
    policies = of_kind(objects, *_POLICIES)
    bindings = of_kind(objects, *_BINDINGS)
    listed = guard_list(objects)
    told = json.loads(listed["data"]["guards.json"])
    webhooks = of_kind(objects, WEBHOOKS)[names.INJECTOR]["webhooks"]
    assert {(entry["kind"], entry["metadata"]["name"]): entry["spec"] for entry in told} == {
        (obj["kind"], name): obj["spec"] for found in (policies, bindings) for name, obj in found.items()
    } | {(WEBHOOKS, names.INJECTOR): {"webhooks": webhooks, TRUST: "Published"}}
    key, _, value = names.GUARD_SELECTOR.partition("=")
    assert of_kind(objects, WEBHOOKS)[names.INJECTOR]["metadata"]["labels"][key] == value
    assert set(policies) == set(bindings)
    for name, binding in bindings.items():
        assert binding["spec"]["policyName"] == name
        assert binding["metadata"]["labels"][key] == policies[name]["metadata"]["labels"][key] == value


def test_the_table_of_guards_has_every_file_of_the_folder() -> None:
    """A file that is not in the table is not installed, and Helm reports no error."""
    templates = CHART / "templates"
    table = re.findall(r"^([a-z-]+): ", (templates / "_guards.tpl").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(table) == sorted(path.stem for path in (templates / "admission").iterdir())


def test_every_guard_denies_and_none_takes_parameters(render: Render) -> None:
    objects = render(*ENCRYPTION)
    for name, binding in of_kind(objects, "ValidatingAdmissionPolicyBinding").items():
        assert binding["spec"]["validationActions"] == ["Warn" if "-warn-" in name else "Deny"]
    for name, policy in of_kind(objects, "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy").items():
        # This guard needs our kinds; all others work without them.
        assert ("paramKind" in policy["spec"]) == (name == "sovereignty-guard-grants")


def test_only_what_sees_more_than_is_in_scope_fails_open(render: Render) -> None:
    policies = of_kind(render(*ENCRYPTION), *_POLICIES)
    open_ones = {name for name, policy in policies.items() if policy["spec"]["failurePolicy"] != "Fail"}
    assert open_ones == {
        "sovereignty-guard-annotations",
        "sovereignty-guard-labels",
        "sovereignty-guard-nodes",
        "sovereignty-warn-namespaces",
        "sovereignty-warn-workloads",
    }


def test_what_concerns_pods_has_selectors_that_leave_system_namespaces_out(render: Render) -> None:
    policies = of_kind(render("--set", "systemNamespaces={kube-system,rook-ceph}"), *_POLICIES)
    for name, policy in policies.items():
        if name in _NOT_ABOUT_PODS:
            continue
        if name in _ABOUT_EVERY_POD:
            conditions = " ".join(entry["expression"] for entry in policy["spec"]["matchConditions"])
            assert (
                "!(request.namespace in ['kube-system','rook-ceph','sovereign-system','sovereign-keys'])" in conditions
            )
            assert not {"namespaceSelector", "objectSelector"} & policy["spec"]["matchConstraints"].keys()
            continue
        expressions = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
        left_out = next(entry for entry in expressions if entry["key"] == "kubernetes.io/metadata.name")
        assert left_out["operator"] == "NotIn"
        assert set(left_out["values"]) == {"kube-system", "rook-ceph", "sovereign-system", "sovereign-keys"}
        enforce = next(entry for entry in expressions if entry["key"] == names.ENFORCE_LABEL)
        _, _, way = name.rpartition("-")
        if way in {"label", "formerly"}:
            selector = policy["spec"]["matchConstraints"]["objectSelector"]["matchExpressions"]
            key = names.POLICY_LABEL if way == "label" else names.PLACED_LABEL
            assert selector == [{"key": key, "operator": "Exists"}]
            assert enforce["operator"] == "DoesNotExist"
        else:
            assert enforce["operator"] == "Exists"


_POLICIES = ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
_BINDINGS = tuple(f"{kind}Binding" for kind in _POLICIES)
_ABOUT_EVERY_POD = {"sovereignty-guard-annotations", "sovereignty-guard-labels"}
_NOT_ABOUT_PODS = {
    "sovereignty-guard-agent",
    "sovereignty-guard-grants",
    "sovereignty-guard-namespace-labels",
    "sovereignty-guard-namespaces",
    "sovereignty-guard-controller-marks",
    "sovereignty-guard-controller-roles",
    "sovereignty-guard-controller-workloads",
    "sovereignty-guard-nodes",
    "sovereignty-guard-requests",
    "sovereignty-guard-seed",
    "sovereignty-guard-signer",
    "sovereignty-guard-transit",
    "sovereignty-guard-workloads",
    "sovereignty-stamp-requester",
    "sovereignty-warn-namespaces",
    "sovereignty-warn-workloads",
}


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


@pytest.mark.parametrize("options", [(), IDENTITY, ENCRYPTION])
def test_the_processes_take_what_the_chart_tells_them(
    render: Render, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "sovereign-system")
    objects = render(*options)
    told = {
        name: container["args"]
        for name, deployment in of_kind(objects, "Deployment").items()
        for container in deployment["spec"]["template"]["spec"]["containers"]
    }
    settings = controller_settings.parse(told["sovereign-controller"])
    assert settings.with_signer is bool(options)
    assert settings.replica.system_namespaces == {
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "sovereign-system",
        "sovereign-keys",
    }
    listed = guard_list(objects)
    (found,) = read_list(listed).items()
    assert found[0] == settings.guards
    assert len(found[1]) >= 20
    if options:
        signer = signer_settings.parse(told["sovereign-signer"])
        assert (signer.trust_domain, signer.keys_namespace) == ("hospital.example.org", "sovereign-keys")
        assert not signer.move_keys


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


def test_values_of_a_former_version_render_as_the_defaults(render: Render) -> None:
    """With helm upgrade --reuse-values, values that a new version introduced are missing."""
    for options in ((), ENCRYPTION):
        missing = ("identity.keysNamespace", "identity.moveKeys", "controller.templateNamespaces", "networkPolicies")
        former = ("--set", ",".join(f"{value}=null" for value in missing))
        assert render(*options, *former) == render(*options)


@pytest.mark.parametrize("shared", ["sovereign-system", "kube-system"])
def test_keys_share_no_namespace(shared: str) -> None:
    refused = template(*IDENTITY, "--set", f"identity.keysNamespace={shared}")
    assert refused.returncode
    assert "name a namespace of their own" in refused.stderr


def test_every_alert_speaks_of_metrics_that_there_are(render: Render) -> None:
    known = {
        sample
        for module in (controller_metrics, runtime_metrics, signer_metrics, refused, unreadable)
        for metric in vars(module).values()
        if isinstance(metric, Counter | Gauge | Histogram)
        for found in metric.describe()
        for sample in (found.name, f"{found.name}_total")
    }
    (rules,) = of_kind(render(*IDENTITY, "--set", "alerts.enabled=true"), "PrometheusRule").values()
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len(alerts) == 23
    for alert in alerts:
        used = set(re.findall(r"sovereign_[a-z_]+", alert["expr"]))
        assert used
        assert used <= known


def test_both_endpoints_that_bind_are_guarded(render: Render) -> None:
    (rule,) = of_kind(render(), *_POLICIES)["sovereignty-guard-bindings"]["spec"]["matchConstraints"]["resourceRules"]
    assert set(rule["resources"]) == {"pods/binding", "bindings"}
    assert rule["operations"] == ["CREATE"]


def test_every_endpoint_that_takes_annotations_of_pods_is_guarded(render: Render) -> None:
    policies = of_kind(render(), *_POLICIES)
    rules = policies["sovereignty-guard-annotations"]["spec"]["matchConstraints"]["resourceRules"]
    guarded = {(operation, where) for rule in rules for operation in rule["operations"] for where in rule["resources"]}
    assert guarded == {
        ("CREATE", "pods"),
        ("UPDATE", "pods"),
        ("UPDATE", "pods/*"),
        ("CREATE", "pods/binding"),
        ("CREATE", "bindings"),
    }


def test_the_names_in_the_admission_policies_are_those_of_the_controller(render: Render) -> None:
    text = json.dumps(list(of_kind(render(), *_POLICIES).values()))
    for name in (
        names.ENFORCE_LABEL,
        names.POLICY_LABEL,
        names.PLACED_LABEL,
        names.NOT_ACCEPTED_TAINT,
        names.node_policy_label(""),
        names.NODE_UID_LABEL.rpartition("/")[0] + "/",
        names.REQUESTED_BY_ANNOTATION,
        names.audit_annotation("policy"),
        names.verdict_annotation(""),
        names.policy_service_account(""),
    ):
        assert name in text


def test_a_workload_may_have_as_many_labels_as_a_pod(render: Render) -> None:
    guard = of_kind(render(), "ValidatingAdmissionPolicy")["sovereignty-guard-labels"]["spec"]
    assert f".size() <= {MOST_ENTRIES}" in guard["validations"][0]["expression"]


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
    for options, expected in (((), []), (ENCRYPTION, [["list", "watch"]])):
        rules = of_kind(render(*options), "ClusterRole")["sovereign-controller"]["rules"]
        assert [rule["verbs"] for rule in rules if "services" in rule["resources"]] == expected


def test_a_digest_wins_over_a_tag(render: Render) -> None:
    digest = "sha256:" + "0" * 64
    deployment = of_kind(render("--set", f"image.digest={digest}", "--set", "image.tag=v1"), "Deployment")
    (container,) = deployment["sovereign-controller"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"localhost/sovereign-operator@{digest}"


MISTAKES: dict[str, Any] = {
    "an unknown value": "controler.replicas=2",
    "an unknown value within": "controller.replica=2",
    "a word for a number": "controller.replicas=two",
    "an unknown log level": "controller.logLevel=chatty",
    "a digest that is none": "image.digest=sha256:12",
    "no kube-system among the system namespaces": "systemNamespaces={default}",
}


@pytest.mark.parametrize("option", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_values_is_refused(option: str) -> None:
    refused = template("--set", option)
    assert refused.returncode != 0
    assert "values don't meet the specifications of the schema" in refused.stderr
