"""The API server's trust in the injector comes from Jobs that end, or from values, never from a running process."""

import base64
import json
from pathlib import Path

import pytest
import yaml

from sovereign_operator import webhook_ca
from sovereign_operator.core import names
from sovereign_operator.injector.tls import FOLDER
from sovereign_operator.webhook_ca import __main__ as webhook_job
from tests.chart.rendering import ENCRYPTION, IDENTITY, Json, Render, guard_list, of_kind, template

NAME = "sovereign-webhook-ca"
HOOK, WEIGHT, POLICY = "helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy"
BEFORE = {"pre-install", "pre-upgrade", "pre-rollback"}
AFTER = {"post-install", "post-upgrade", "post-rollback"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture
def given(tmp_path: Path) -> tuple[str, ...]:
    """Options that name a Secret, and the CA bundle for it."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({"injector": {"tls": {"secretName": "mine", "caBundle": PEM}}}), encoding="utf-8")
    return (*ENCRYPTION, "--values", str(file))


CERT_MANAGER = (*ENCRYPTION, "--set", "injector.tls.secretName=mine,injector.tls.certManagerCertificate=hook")


def jobs(objects: list[Json]) -> dict[str, Json]:
    """Return the Jobs by the step that they do."""
    found = {name: job for name, job in of_kind(objects, "Job").items() if name.startswith(NAME)}
    return {job["spec"]["template"]["spec"]["containers"][0]["args"][0]: job for job in found.values()}


def hooks(obj: Json) -> set[str]:
    return set(obj["metadata"]["annotations"][HOOK].split(","))


def ours(objects: list[Json]) -> list[Json]:
    """Return the Jobs' service account, and the objects that grant its rights."""
    return [obj for obj in objects if obj["metadata"]["name"] == NAME]


def test_only_the_jobs_account_may_write_webhook_configurations_and_it_goes_when_they_end(render: Render) -> None:
    objects = render(*ENCRYPTION)
    roles = of_kind(objects, "ClusterRole")
    writers = {
        name
        for name, role in roles.items()
        for rule in role["rules"]
        if any("webhookconfigurations" in resource or resource == "*" for resource in rule.get("resources", ()))
        and set(rule["verbs"]) - {"get", "list", "watch"}
    }
    assert writers == {NAME}
    (rule,) = roles[NAME]["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == ([names.INJECTOR], ["get", "patch"])
    for obj in (*ours(objects), *jobs(objects).values()):
        assert set(obj["metadata"]["annotations"][POLICY].split(",")) == {"before-hook-creation", "hook-succeeded"}
    processes = of_kind(objects, "Deployment", "DaemonSet")
    assert NAME not in {pod["spec"]["template"]["spec"]["serviceAccountName"] for pod in processes.values()}


def test_what_it_may_do_besides_has_names(render: Render) -> None:
    """The right to create any Secret would give it a token of the controller, and authorities that the signer uses."""
    for rule in of_kind(render(*ENCRYPTION), "Role")[NAME]["rules"]:
        assert set(rule["resources"]) <= {"secrets", "configmaps"}
        assert set(rule["verbs"]) <= {"get", "create", "patch"}
        assert rule["resourceNames"] in ([names.INJECTOR_CA], ["sovereign-injector-tls"])


def test_one_job_is_before_everything_and_one_after_it_and_their_rights_before_each(render: Render) -> None:
    objects = render(*ENCRYPTION)
    found = jobs(objects)
    assert {step: hooks(job) for step, job in found.items()} == {"create": BEFORE, "trust": AFTER}
    assert len(ours(objects)) == 5
    for obj in ours(objects):
        assert hooks(obj) == BEFORE | AFTER
        assert all(
            int(obj["metadata"]["annotations"][WEIGHT]) < int(job["metadata"]["annotations"][WEIGHT])
            for job in found.values()
        )


def test_nothing_that_they_make_is_an_object_of_the_release(render: Render) -> None:
    """An upgrade would delete it, or overwrite it."""
    objects = render(*ENCRYPTION)
    assert names.INJECTOR_CA not in of_kind(objects, "Secret", "ConfigMap")
    for webhook in of_kind(objects, "MutatingWebhookConfiguration")[names.INJECTOR]["webhooks"]:
        assert "caBundle" not in webhook["clientConfig"]


def test_another_job_has_another_name(render: Render) -> None:
    """The template of a Job cannot be changed, and not every tool deletes the Job before it creates another one."""
    rendered = [render(*ENCRYPTION, *options) for options in ((), ("--set", "image.tag=v2"))]
    assert len({job["metadata"]["name"] for objects in rendered for job in jobs(objects).values()}) == 4


def test_they_run_where_the_controller_may_and_take_what_the_chart_tells_them(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "sovereign-system")
    options = "controller.nodeSelector.a=b,controller.tolerations[0].operator=Exists,imagePullSecrets[0].name=x"
    objects = render(*ENCRYPTION, "--set", options)
    controller = of_kind(objects, "Deployment")["sovereign-controller"]["spec"]["template"]["spec"]
    for step, job in jobs(objects).items():
        pod = job["spec"]["template"]["spec"]
        for field in ("imagePullSecrets", "nodeSelector", "tolerations", "securityContext", "priorityClassName"):
            assert pod[field] == controller[field]
        (container,), (theirs,) = pod["containers"], controller["containers"]
        for field in ("image", "imagePullPolicy", "securityContext"):
            assert container[field] == theirs[field]
        assert pod["serviceAccountName"] == NAME
        assert container["command"][-1] == webhook_ca.__name__
        settings = webhook_job.parse(container["args"])
        assert (settings.step, settings.namespace) == (step, "sovereign-system")


def secret_of(objects: list[Json]) -> str:
    """Return the name of the Secret whose files the injector reads."""
    pod = of_kind(objects, "Deployment")["sovereign-injector"]["spec"]["template"]["spec"]
    (mount,) = pod["containers"][0]["volumeMounts"]
    (volume,) = pod["volumes"]
    assert (mount["name"], mount["mountPath"], mount["readOnly"]) == (volume["name"], str(FOLDER), True)
    name: str = volume["secret"]["secretName"]
    return name


def test_the_injector_has_its_secret_by_way_of_its_kubelet(render: Render) -> None:
    assert secret_of(render(*ENCRYPTION)) == names.INJECTOR_CA


def test_with_a_secret_of_somebody_else_there_are_no_jobs(render: Render, given: tuple[str, ...]) -> None:
    for options, bundle, trust in (
        (given, base64.b64encode(PEM.encode()).decode(), "Given"),
        (CERT_MANAGER, None, "Others"),
    ):
        objects = render(*options)
        assert secret_of(objects) == "mine"
        assert not jobs(objects)
        assert not ours(objects)
        configuration = of_kind(objects, "MutatingWebhookConfiguration")[names.INJECTOR]
        assert {webhook["clientConfig"].get("caBundle") for webhook in configuration["webhooks"]} == {bundle}
        listed = {entry["kind"]: entry["spec"] for entry in json.loads(guard_list(objects)["data"]["guards.json"])}
        assert listed["MutatingWebhookConfiguration"]["trust"] == trust
    annotations = configuration["metadata"]["annotations"]
    assert annotations == {"cert-manager.io/inject-ca-from": "sovereign-system/hook"}


@pytest.mark.parametrize(
    "tls",
    [
        {"secretName": "mine"},
        {"caBundle": PEM},
        {"certManagerCertificate": "hook"},
        {"secretName": "mine", "caBundle": PEM, "certManagerCertificate": "hook"},
        {"secretName": "mine", "caBundle": "no certificate"},
        {"secretName": "Mine", "caBundle": PEM},
        {"other": "x"},
    ],
)
def test_values_that_say_half_of_it_are_refused(tls: Json, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({"injector": {"tls": tls}}), encoding="utf-8")
    assert "/injector/tls" in template(*ENCRYPTION, "--values", str(file)).stderr


def test_without_encryption_there_is_nothing_of_it(render: Render) -> None:
    objects = render(*IDENTITY)
    assert not jobs(objects)
    assert not ours(objects)


def test_values_of_before_there_was_a_choice_still_do(render: Render) -> None:
    """helm upgrade --reuse-values does not add new defaults."""
    assert jobs(render(*ENCRYPTION, "--set", "injector.tls=null"))
