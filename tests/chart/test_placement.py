"""Who places pods: the API server's own admission policies, or the injector where there are none."""

import pytest
import yaml

from hack.install import CHART
from tests.chart.rendering import ENCRYPTION, Json, of_kind, run_helm

WRITES = "MutatingAdmissionPolicy"
SERVED = f"admissionregistration.k8s.io/v1/{WRITES}"


def rendered(*options: str) -> list[Json]:
    done = run_helm("template", "release", str(CHART), "--namespace", "sovereign-system", *options)
    assert not done.returncode, done.stderr
    return [obj for obj in yaml.safe_load_all(done.stdout) if obj]


@pytest.mark.parametrize(
    ("options", "by_webhook"),
    [
        (("--kube-version", "1.33.0"), True),
        (("--kube-version", "1.35.4"), True),
        (("--kube-version", "1.36.0"), False),
        (("--kube-version", "1.37.2"), False),
        # A cluster, which tells what it serves. Managed ones have versions of their own.
        (("--kube-version", "1.35.4-gke.100", "--api-versions", "v1/Pod"), True),
        (("--kube-version", "1.37.2", "--api-versions", "v1/Pod"), True),
        (("--kube-version", "1.37.2", "--api-versions", "v1/Pod", "--api-versions", SERVED), False),
        (("--kube-version", "1.37.2", "--set", "placement.by=Webhook"), True),
        (("--kube-version", "1.36.0", "--set", "placement.by=Policies"), False),
    ],
)
def test_the_chart_finds_out_who_places(options: tuple[str, ...], *, by_webhook: bool) -> None:
    objects = rendered(*options)
    webhooks = of_kind(objects, "MutatingWebhookConfiguration")
    assert bool(of_kind(objects, WRITES)) is not by_webhook
    assert bool(webhooks) is by_webhook
    assert ("sovereign-injector" in of_kind(objects, "Deployment")) is by_webhook
    guards = of_kind(objects, "ValidatingAdmissionPolicy")
    assert ("sovereignty-guard-placement-by-namespace" in guards) is by_webhook
    assert ("sovereignty-guard-requester" in guards) is by_webhook


@pytest.mark.parametrize(
    "options",
    [
        ("--kube-version", "1.35.4"),
        ("--kube-version", "1.37.2", "--api-versions", "v1/Pod"),
    ],
    ids=["an older version", "a newer one that does not serve them"],
)
def test_policies_that_the_api_server_does_not_serve_are_refused_in_a_sentence(options: tuple[str, ...]) -> None:
    done = run_helm("template", "release", str(CHART), *options, "--set", "placement.by=Policies")
    assert done.returncode
    assert "placement.by=Policies needs Kubernetes 1.36 or newer with MutatingAdmissionPolicy" in done.stderr
    assert f"(v{options[1]}) does not serve: set placement.by=Webhook, or leave it empty" in done.stderr


def test_what_places_comes_before_what_encrypts_and_neither_stops_anything() -> None:
    objects = rendered("--kube-version", "1.37.2", *ENCRYPTION, "--set", "placement.by=Webhook")
    (configuration,) = of_kind(objects, "MutatingWebhookConfiguration").values()
    called = [webhook["clientConfig"]["service"]["path"] for webhook in configuration["webhooks"]]
    assert called == ["/place/by-namespace", "/place/by-label", "/place/formerly", "/stamp", "/inject", "/inject"]
    assert {webhook["failurePolicy"] for webhook in configuration["webhooks"]} == {"Ignore"}


def test_below_the_oldest_version_it_is_not_installed() -> None:
    done = run_helm("template", "release", str(CHART), "--kube-version", "1.32.9")
    assert done.returncode
    assert ">=1.33.0-0" in done.stderr


def test_nobody_is_allowed_to_promise_that_nodes_will_be_accepted_unless_a_value_names_them() -> None:
    name = "sovereignty-guard-nodes"
    guard = of_kind(rendered(), "ValidatingAdmissionPolicy")[name]
    assert "karpenter" not in yaml.safe_dump(guard)
    value = 'placement.karpenterUsers={system:serviceaccount:kube-system:karpenter,it\'s "me"}'
    spec = of_kind(rendered("--set", value), "ValidatingAdmissionPolicy")[name]["spec"]
    (registering,) = [entry["expression"] for entry in spec["variables"] if entry["name"] == "registering"]
    assert 'username in ["system:serviceaccount:kube-system:karpenter","it\'s \\"me\\""]' in registering


@pytest.mark.parametrize("user", ["system:node:worker-1", "system:bootstrap:abcdef", "system:anonymous", ""])
def test_no_kubelet_is_allowed_to(user: str) -> None:
    done = run_helm("template", "release", str(CHART), "--set", f"placement.karpenterUsers={{{user}}}")
    assert "karpenterUsers" in done.stderr
