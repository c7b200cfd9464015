"""The admission policies: what they look at, what they ask, and that the controller is told of them."""

import json
import re
from collections.abc import Iterator
from typing import Any

from hack.install import CHART
from sovereign_operator.api.v1alpha1.sovereign_workload import SOVEREIGN_WORKLOAD
from sovereign_operator.core import names
from sovereign_operator.core.admission.webhooks import TRUST, WEBHOOKS
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.workload.decision import MOST_ENTRIES
from sovereign_operator.core.workload.manifests import PLURALS
from tests.chart.rendering import ALL_GUARDS, ENCRYPTION, Render, guard_list, of_kind


def expressions(spec: Any) -> Iterator[str]:
    """Yield all CEL of an admission policy's spec."""
    for key, value in spec.items() if isinstance(spec, dict) else enumerate(spec):
        if isinstance(value, dict | list):
            yield from expressions(value)
        elif str(key).lower().endswith("expression"):
            yield value


def test_no_guard_asks_for_a_subresource_that_a_request_may_lack(render: Render) -> None:
    """The API server omits an empty subresource. The resulting error would disable a guard that fails open."""
    policies = of_kind(render(*ALL_GUARDS), "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
    asking = {
        name for name, policy in policies.items() if "request.subResource =" in str([*expressions(policy["spec"])])
    }
    assert not asking


def test_no_message_rests_on_a_question_to_the_authorizer(render: Render) -> None:
    """The API server does not let messages ask it; people would read the expression that failed instead of words."""
    asking = set()
    for name, policy in of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy").items():
        variables = {entry["name"]: entry["expression"] for entry in policy["spec"].get("variables", ())}
        for validation in policy["spec"]["validations"]:
            asking |= {(name, text) for text in resting_on(validation.get("messageExpression", ""), variables)}
    assert not asking


MOST_QUESTIONS = 2
"""To the authorizer, in one expression: each counts 350,000 of the 1,000,000 that an expression may cost.
https://github.com/kubernetes/kubernetes/blob/v1.36.3/staging/src/k8s.io/apiserver/pkg/cel/library/cost.go"""


def test_no_expression_asks_the_authorizer_more_than_it_may(render: Render) -> None:
    policies = of_kind(render(*ALL_GUARDS), "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
    asked = {
        (name, text): text.count(".check(") for name, policy in policies.items() for text in expressions(policy["spec"])
    }
    assert max(asked.values()) == MOST_QUESTIONS
    assert not {place for place, count in asked.items() if count > MOST_QUESTIONS}


def resting_on(expression: str, variables: dict[str, str]) -> Iterator[str]:
    """Yield each expression with a question to the authorizer on which this one rests."""
    if "authorizer." in expression:
        yield expression
    for name in set(re.findall(r"\bvariables\.(\w+)", expression)):
        yield from resting_on(variables[name], variables)


FILLED = {
    *("labels", "oldLabels", "podLabels", "oldPodLabels", "annotations", "oldAnnotations"),
    *("nodeSelector", "oldNodeSelector", "taints", "owners", "ownerReferences"),
    *("volumes", "initial", "containers", "ephemeral", "users", "sysctls"),
}
"""CEL names of the fields into which users may put any number of entries."""


def test_no_guard_goes_through_what_others_fill_before_it_has_counted_it(render: Render) -> None:
    """For 30,000 entries the API server takes longer than a request may take, and other requests wait meanwhile."""
    policies = of_kind(render(*ALL_GUARDS), "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
    uncounted = set()
    for name, policy in policies.items():
        texts = [*expressions(policy["spec"])]
        variables = {entry["name"]: entry["expression"] for entry in policy["spec"].get("variables", ())}
        for text in texts:
            for macro in re.finditer(r"\.(?:all|exists|exists_one|filter|map)\(\w+,", text):
                receiver = text[: macro.start()].split()[-1].removesuffix(".orValue([])").removesuffix(".orValue({})")
                # This guard has rules about several such fields, each with a limit of its own.
                counted = counts(text, variables) if name == _ABOUT_EVERY_POD else "crowded" in variables
                if re.split(r"\W", receiver)[-1] in FILLED and "size()" not in text and not counted:
                    uncounted.add((name, receiver))
    assert not uncounted


def counts(expression: str, variables: dict[str, str]) -> bool:
    """Whether an expression, or a variable that it reads, asks whether there are too many entries."""
    read = set(re.findall(r"\bvariables\.(\w+)", expression))
    return "crowded" in read or any(counts(variables[name], variables) for name in read)


def test_the_controller_is_told_of_every_guard(render: Render) -> None:
    objects = render(*ALL_GUARDS)
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
    objects = render(*ALL_GUARDS)
    for name, binding in of_kind(objects, "ValidatingAdmissionPolicyBinding").items():
        assert binding["spec"]["validationActions"] == _ACTIONS.get(
            name, ["Warn"] if name.startswith("sovereignty-warn-") else ["Deny"]
        )
    for name, policy in of_kind(objects, "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy").items():
        # This guard needs our kinds; all others work without them.
        assert ("paramKind" in policy["spec"]) == (name == "sovereignty-guard-grants")


def test_only_what_sees_more_than_is_in_scope_fails_open(render: Render) -> None:
    policies = of_kind(render(*ALL_GUARDS), *_POLICIES)
    open_ones = {name for name, policy in policies.items() if policy["spec"]["failurePolicy"] != "Fail"}
    assert open_ones == {
        "sovereignty-guard-every-pod",
        "sovereignty-guard-nodes",
        *_ONLY_WARN,
    }


def test_what_concerns_pods_has_selectors_that_leave_system_namespaces_out(render: Render) -> None:
    objects = render("--set", "systemNamespaces={kube-system,rook-ceph}", *ENCRYPTION)
    bindings = of_kind(objects, *_BINDINGS)
    for name, policy in of_kind(objects, *_POLICIES).items():
        if name in _NOT_ABOUT_PODS:
            continue
        if name == _ABOUT_EVERY_POD:
            conditions = " ".join(entry["expression"] for entry in policy["spec"]["matchConditions"])
            assert (
                "!(request.namespace in ['kube-system','rook-ceph','sovereign-system','sovereign-keys'])" in conditions
            )
            assert not {"namespaceSelector", "objectSelector"} & policy["spec"]["matchConstraints"].keys()
            continue
        (left_out,) = bindings[name]["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
        assert (left_out["key"], left_out["operator"]) == ("kubernetes.io/metadata.name", "NotIn")
        assert set(left_out["values"]) == {"kube-system", "rook-ceph", "sovereign-system", "sovereign-keys"}
        if name == _INTO_SIDECARS:
            continue
        (enforce,) = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
        assert enforce["key"] == names.ENFORCE_LABEL
        _, _, way = name.rpartition("-")
        if way in {"label", "formerly"}:
            selector = policy["spec"]["matchConstraints"]["objectSelector"]["matchExpressions"]
            key = names.POLICY_LABEL if way == "label" else names.PLACED_LABEL
            assert selector == [{"key": key, "operator": "Exists"}]
            assert enforce["operator"] == "DoesNotExist"
        else:
            assert enforce["operator"] == "Exists"


def test_the_guard_of_the_operators_pods_sees_no_other_namespace(render: Render) -> None:
    """Elsewhere, static pods may have any labels."""
    guard = of_kind(render(), "ValidatingAdmissionPolicy")["sovereignty-guard-own-pods"]
    selected = guard["spec"]["matchConstraints"]["namespaceSelector"]
    assert selected == {"matchLabels": {"kubernetes.io/metadata.name": "sovereign-system"}}


def test_no_policy_selects_by_a_list_of_names(render: Render) -> None:
    """The API server parses these for each write in the cluster, of whatever kind; those of bindings only where the
    policy matches.
    """
    lists = {
        name
        for name, policy in of_kind(render(*ALL_GUARDS), *_POLICIES).items()
        if re.search(r'"values": \[[^]]*,', json.dumps(policy["spec"]["matchConstraints"]))
    }
    # While the API server does not know the kind of its parameters, it refuses requests before it looks at the binding.
    assert lists == {"sovereignty-guard-grants"}


_ACTIONS = {
    "sovereignty-warn-pods-enforced": ["Warn", "Audit"],
    "sovereignty-warn-pods-labelled": ["Warn", "Audit"],
    "sovereignty-warn-pods-warned": ["Warn", "Audit"],
    "sovereignty-warn-pods-audited": ["Audit"],
    "sovereignty-warn-datacentres": ["Warn", "Audit"],
    "sovereignty-warn-services": ["Warn", "Audit"],
    "sovereignty-warn-policies": ["Warn", "Audit"],
}
"""What warns, but not only."""
_ONLY_WARN = {
    *_ACTIONS,
    "sovereignty-warn-labels",
    "sovereignty-warn-namespaces",
    "sovereignty-warn-workloads",
}
_POLICIES = ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
_BINDINGS = tuple(f"{kind}Binding" for kind in _POLICIES)
_ABOUT_EVERY_POD = "sovereignty-guard-every-pod"
_INTO_SIDECARS = "sovereignty-guard-exec"
_NOT_ABOUT_PODS = {
    "sovereignty-guard-agent",
    "sovereignty-guard-derogations",
    "sovereignty-guard-grants",
    "sovereignty-guard-namespace-labels",
    "sovereignty-guard-namespaces",
    "sovereignty-guard-controller-marks",
    "sovereignty-guard-controller-roles",
    "sovereignty-guard-controller-workloads",
    "sovereignty-guard-nodes",
    "sovereignty-guard-own-pods",
    "sovereignty-guard-reports",
    "sovereignty-guard-requests",
    "sovereignty-guard-seed",
    "sovereignty-guard-signer",
    "sovereignty-guard-tokens",
    "sovereignty-guard-transit",
    "sovereignty-guard-trust",
    "sovereignty-guard-workloads",
    "sovereignty-stamp-requester",
    *_ONLY_WARN,
}


def test_whatever_has_a_pod_template_draws_warnings(render: Render) -> None:
    """A SovereignWorkload, too: nobody hears what is said of the workload that the operator creates from it."""
    policies = of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy")
    for way in ("enforced", "labelled", "warned", "audited"):
        rules = policies[f"sovereignty-warn-pods-{way}"]["spec"]["matchConstraints"]["resourceRules"]
        matched = {plural for rule in rules for plural in rule["resources"]}
        assert matched >= {*PLURALS.values(), SOVEREIGN_WORKLOAD.plural}, way


def test_both_endpoints_that_bind_are_guarded(render: Render) -> None:
    (rule,) = of_kind(render(), *_POLICIES)["sovereignty-guard-bindings"]["spec"]["matchConstraints"]["resourceRules"]
    assert set(rule["resources"]) == {"pods/binding", "bindings"}
    assert rule["operations"] == ["CREATE"]


def test_every_endpoint_that_takes_annotations_of_pods_is_guarded(render: Render) -> None:
    policies = of_kind(render(), *_POLICIES)
    rules = policies[_ABOUT_EVERY_POD]["spec"]["matchConstraints"]["resourceRules"]
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
        names.node_host_label(""),
        names.NODE_UID_LABEL.rpartition("/")[0] + "/",
        names.REQUESTED_BY_ANNOTATION,
        names.audit_annotation("policy"),
        names.verdict_annotation(""),
        names.policy_service_account(""),
    ):
        assert name in text


def test_a_workload_may_have_as_many_labels_as_a_pod(render: Render) -> None:
    guard = of_kind(render(), "ValidatingAdmissionPolicy")[_ABOUT_EVERY_POD]["spec"]
    limits = [each["expression"] for each in guard["validations"] if "labels.orValue({}).size()" in each["expression"]]
    assert len(limits) == 1
    assert f".size() <= {MOST_ENTRIES}" in limits[0]


def test_the_guards_of_certificates_by_token_name_what_signer_and_sidecar_do(render: Render) -> None:
    policies = of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy")
    files = (sidecar.TRUSTED, sidecar.SIGNER_CA, sidecar.SIGNER_ADDRESSES)
    named = {
        "tokens": (names.SIGNER_AUDIENCE,),
        "certificates-by-namespace": (names.SIGNER_AUDIENCE, names.SIGNER),
        "certificates-by-label": (names.SIGNER_AUDIENCE, names.SIGNER),
        "trust": (sidecar.TRUST_PREFIX, names.TRUST_BUNDLE_LABEL),
        "signer": (sidecar.TRUST_PREFIX, names.TRUST_BUNDLE_LABEL, names.CERTIFICATE_ANNOTATION, *files),
        "every-pod": (names.CERTIFICATE_ANNOTATION,),
    }
    for guard, words in named.items():
        text = " ".join(expressions(policies[f"sovereignty-guard-{guard}"]["spec"]))
        for word in words:
            assert f"'{word}'" in text, guard
    assert f"substring({len(sidecar.TRUST_PREFIX)})" in str(policies["sovereignty-guard-signer"])


def test_no_request_for_another_token_comes_beyond_the_condition(render: Render) -> None:
    """Drivers of volumes create tokens, too: a failure would keep their pods from starting."""
    spec = of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy")["sovereignty-guard-tokens"]["spec"]
    assert spec["failurePolicy"] == "Fail"
    (rule,) = spec["matchConstraints"]["resourceRules"]
    assert (rule["resources"], rule["operations"]) == (["serviceaccounts/token"], ["CREATE"])
    (condition,) = spec["matchConditions"]
    assert condition["expression"] == (
        "object.spec.?audiences.orValue(null) != null && 'sovereignty.dev/signer' in object.spec.audiences"
    )


def test_both_kinds_of_config_maps_in_namespaces_of_users_are_guarded_alike(render: Render) -> None:
    policies = of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy")
    transit, trust = (policies[f"sovereignty-guard-{name}"]["spec"] for name in ("transit", "trust"))
    assert [entry["name"] for entry in trust["matchConditions"]] == [
        "trusted-by-sidecars",
        "not-by-the-signer",
        "not-finalizers-taken-away",
    ]
    assert trust["matchConditions"][-1] == transit["matchConditions"][-1]
    (rule,) = trust["matchConstraints"]["resourceRules"]
    # Without the trust ConfigMap, no new sidecar starts.
    assert "DELETE" in rule["operations"]
