"""What the chart installs to add sidecars to pods, and to refuse pods that lack one."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from sovereign_operator.core import names
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import VOLUMES
from sovereign_operator.core.sidecar.injection import SidecarSettings, inject
from sovereign_operator.core.sidecar.resources import USUAL
from sovereign_operator.injector import settings as injector_settings
from tests.chart.rendering import ENCRYPTION, IDENTITY, Json, Render, of_kind

INJECTOR = "sovereign-injector"


def test_nothing_of_it_is_there_without_encryption(render: Render) -> None:
    text = json.dumps(render(*IDENTITY))
    assert INJECTOR not in text
    assert "sovereignty-guard-sidecars" not in text
    assert "sovereignty-guard-exec" not in text


def test_it_takes_what_the_chart_tells_it(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "sovereign-system")
    digest = "sha256:" + "1" * 64
    options = ("--set", f"sidecar.image.digest={digest},sidecar.image.pullPolicy=Always")
    settings = injector_settings.parse(arguments(render(*ENCRYPTION, *options)))
    assert settings.sidecar.image == f"localhost/sovereign-sidecar@{digest}"
    assert settings.sidecar.pull_policy == "Always"
    assert settings.sidecar.resources == USUAL
    assert settings.sidecar.resources == {
        "requests": {"cpu": "20m", "memory": "64Mi"},
        "limits": {"memory": "512Mi"},
    }
    assert "sovereign-system" in settings.replica.system_namespaces
    assert settings.sidecar.by_token
    assert settings.sidecar.sandboxes == frozenset()
    boxed = injector_settings.parse(arguments(render(*ENCRYPTION, "--set", "encryption.sandboxes={boxed,vm}")))
    assert boxed.sidecar.sandboxes == {"boxed", "vm"}
    nothing = injector_settings.parse(arguments(render(*ENCRYPTION, "--set", "sidecar.resources=null")))
    assert nothing.sidecar.resources == {}


@pytest.mark.parametrize(("certificates", "by_token"), [("Token", True), ("Request", False)])
def test_the_values_say_how_new_sidecars_get_certificates(
    render: Render, monkeypatch: pytest.MonkeyPatch, certificates: str, *, by_token: bool
) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "sovereign-system")
    objects = render(*ENCRYPTION, "--set", f"identity.certificates={certificates}")
    assert injector_settings.parse(arguments(objects)).sidecar.by_token is by_token


def arguments(objects: list[Json]) -> list[str]:
    (container,) = of_kind(objects, "Deployment")[INJECTOR]["spec"]["template"]["spec"]["containers"]
    told: list[str] = container["args"]
    return told


@pytest.mark.parametrize("wrong", ["{", "[]", "1"])
def test_resources_that_are_none_are_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        injector_settings.parse(["--namespace=a", "--sidecar-image=b", f"--sidecar-resources={wrong}"])
    assert "--sidecar-resources" in capsys.readouterr().err


def test_it_is_asked_about_pods_that_need_it_alone_and_stands_in_nobodys_way(render: Render) -> None:
    objects = render(*ENCRYPTION, "--set", "systemNamespaces={kube-system,rook-ceph}")
    webhooks = of_kind(objects, "MutatingWebhookConfiguration")[names.INJECTOR]["webhooks"]
    assert len(webhooks) == 2
    for webhook in webhooks:
        (rule,) = webhook["rules"]
        assert (rule["resources"], rule["operations"]) == (["pods"], ["CREATE"])
        assert webhook["failurePolicy"] == "Ignore"
        assert webhook["timeoutSeconds"] <= 5
        assert webhook["reinvocationPolicy"] == "IfNeeded"
        assert webhook["sideEffects"] == "None"
        assert webhook["matchPolicy"] == "Equivalent"
        assert "caBundle" not in webhook["clientConfig"]
        conditions = {condition["name"]: condition["expression"] for condition in webhook["matchConditions"]}
        assert set(conditions) == {"policy-encrypts"}
        assert f"labels[?'{names.PLACED_LABEL}']" in conditions["policy-encrypts"]
        expressions = webhook["namespaceSelector"]["matchExpressions"]
        (left_out,) = [entry for entry in expressions if entry["key"] == "kubernetes.io/metadata.name"]
        assert left_out["operator"] == "NotIn"
        assert set(left_out["values"]) == {"kube-system", "rook-ceph", "sovereign-system", "sovereign-keys"}
    selectors = [(scope(webhook["namespaceSelector"]), scope(webhook.get("objectSelector"))) for webhook in webhooks]
    enforced, claimed = {names.ENFORCE_LABEL: "Exists"}, {names.POLICY_LABEL: "Exists"}
    assert selectors == [(enforced, {}), ({names.ENFORCE_LABEL: "DoesNotExist"}, claimed)]


def scope(selector: Any) -> dict[str, str]:
    expressions = (selector or {}).get("matchExpressions", ())
    return {entry["key"]: entry["operator"] for entry in expressions if entry["key"].startswith("sovereignty.dev/")}


def test_the_api_server_finds_it(render: Render) -> None:
    objects = render(*ENCRYPTION)
    service = of_kind(objects, "Service")[names.INJECTOR]
    pod = of_kind(objects, "Deployment")[INJECTOR]["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    (port,) = service["spec"]["ports"]
    ports = {entry["name"]: entry["containerPort"] for entry in pod["spec"]["containers"][0]["ports"]}
    assert ports[port["targetPort"]] == 8443
    for webhook in of_kind(objects, "MutatingWebhookConfiguration")[names.INJECTOR]["webhooks"]:
        assert webhook["clientConfig"]["service"] == {
            "name": names.INJECTOR,
            "namespace": "sovereign-system",
            "path": "/inject",
            "port": port["port"],
        }


def test_it_may_read_what_its_answers_depend_on_and_ask_as_guards_do_and_write_nothing(render: Render) -> None:
    objects = render(*ENCRYPTION)
    rules = of_kind(objects, "ClusterRole")[INJECTOR]["rules"] + of_kind(objects, "Role")[INJECTOR]["rules"]
    may = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    read = (
        *("namespaces", "sovereigntypolicies", "configmaps"),
        *("limitranges", "resourcequotas", "runtimeclasses"),
    )
    reading = {(resource, verb) for resource in read for verb in ("list", "watch")}
    assert may == reading | {("subjectaccessreviews", "create")}


def guards(objects: list[Json]) -> dict[str, Json]:
    return {
        name: policy
        for name, policy in of_kind(objects, "ValidatingAdmissionPolicy").items()
        if name.startswith("sovereignty-guard-sidecars-")
    }


def test_the_guard_demands_what_the_injector_writes(render: Render) -> None:
    """Each side has its own copy of the names; tests on a real API server show that the rest agrees, too."""
    objects = render(*ENCRYPTION, "--set", "sidecar.image.repository=example.org/sidecar,sidecar.image.tag=v7")
    found = guards(objects)
    assert set(found) == {"sovereignty-guard-sidecars-by-namespace", "sovereignty-guard-sidecars-by-label"}
    for guard in found.values():
        text = json.dumps(guard)
        assert "--sidecar-image=example.org/sidecar:v7" in arguments(objects)
        assert "== 'example.org/sidecar:v7'" in text
        for word in (
            *VOLUMES,
            sidecar.CONTAINER,
            sidecar.IDENTITY_FOLDER,
            sidecar.TRANSIT_FOLDER,
            sidecar.RUN_FOLDER,
            sidecar.ACCOUNT_FOLDER,
            sidecar.CREDENTIALS,
            sidecar.TRUSTED,
            sidecar.TOKEN,
            sidecar.SIGNER_CA,
            sidecar.SIGNER_ADDRESSES,
            sidecar.LISTENERS,
            sidecar.LISTENERS_KEY,
            sidecar.TRANSIT_PREFIX,
            sidecar.TRUST_PREFIX,
            sidecar.READY_PATH,
            names.SIGNER,
            names.SIGNER_AUDIENCE,
            names.TRUST_BUNDLE_LABEL,
        ):
            assert f"'{word}'" in text
        assert set(re.findall(r"\b655\d\d\b", text)) == {str(sidecar.UID)}
        assert f"== {sidecar.REDIRECTED_PORT}" in text
        assert f"== {sidecar.TOKEN_SECONDS}" in text
        assert f"'^{sidecar.PROBE_OPTION}(" in text


def literals(expression: str, policy: str) -> Iterator[Any]:
    """Yield the lists with which a condition compares a pod's volumes, as values, for a policy."""
    named = r"object[.]metadata[.][?]labels\[[?]'[^']+'\][.]orValue\(''\)"
    for found in re.finditer(r"\bown == (?=\[)", expression):
        start = end = found.end()
        depth = 0
        while end == start or depth:
            depth += {"[": 1, "]": -1}.get(expression[end], 0)
            end += 1
        text = re.sub(named, f"'{policy}'", expression[start:end])
        yield ast.literal_eval(text.replace("' + '", "").replace("dyn(", "("))


def test_whichever_way_is_set_the_guards_quick_comparison_has_what_the_injector_writes(render: Render) -> None:
    """A pod that differs from both is looked at in full, which takes the API server five times as long."""
    before: Json = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
    written = []
    for by_token in (True, False):
        made = inject(before, "hds", SidecarSettings("image", "Always", {}, by_token=by_token))
        written.append(made["spec"]["volumes"])
    for guard in guards(render(*ENCRYPTION)).values():
        conditions = {entry["name"]: entry["expression"] for entry in guard["spec"]["matchConditions"]}
        assert [*literals(conditions["in-doubt"], "hds")] == written


def test_both_guards_are_one_but_for_their_scope(render: Render) -> None:
    one, other = (guard["spec"] for guard in guards(render(*ENCRYPTION)).values())
    differing = {"matchConstraints", "matchConditions", "variables"}
    assert {key: one[key] for key in one if key not in differing} == {
        key: other[key] for key in other if key not in differing
    }
    assert [entry for entry in one["variables"] if entry["name"] != "policy"] == [
        entry for entry in other["variables"] if entry["name"] != "policy"
    ]
