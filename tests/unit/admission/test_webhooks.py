"""A webhook that differs from what the chart installed is reported, and so are authorities that it should not trust."""

import base64
import dataclasses
from typing import Any

import pytest

from sovereign_operator.core.admission.guards import Guard, GuardKey, Guards
from sovereign_operator.core.admission.webhooks import WEBHOOKS, read_certificates
from sovereign_operator.kube.objects.guard import see_guard
from tests.unit.admission.guards import find, managed, versions

CONFIGURATION: GuardKey = (WEBHOOKS, "injector")


def pem(*names: str) -> str:
    return "".join(f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n" for name in names)


def trusting(*names: str, **changes: Any) -> Any:
    """Return the injector's webhook as the API server serves it, with these trusted authorities."""
    client = {"service": {"name": "injector", "namespace": "ns"}}
    if names:
        client["caBundle"] = base64.b64encode(pem(*names).encode()).decode()  # type: ignore[assignment]
    rules = [{"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]}]
    webhook = {"name": "one", "clientConfig": client, "rules": rules, "failurePolicy": "Ignore", "objectSelector": {}}
    return {"webhooks": [webhook | changes]}


def installed(trust: str = "Published", *given: str) -> Guards:
    found = trusting(*given)
    del found["webhooks"][0]["objectSelector"]
    return {CONFIGURATION: found | {"trust": trust}}


def judge(live: Any, guards: Guards, published: str | None = None, minutes: float = 60) -> list[str]:
    """Return the findings about the webhook this many minutes after an upgrade."""
    allowed = dataclasses.replace(
        versions(guards, changed=minutes), published=None if published is None else read_certificates(published)
    )
    return [f"{finding}; {finding.notice.message}" for finding in find({CONFIGURATION: live}, allowed)]


WIDENED: dict[str, Any] = {
    "asks somebody else": {"clientConfig": {"url": "https://thief.example.org"}},
    "asks about everything": {"rules": [{"apiGroups": ["*"], "operations": ["*"], "resources": ["*/*"]}]},
    "asks in more namespaces": {"namespaceSelector": {"matchLabels": {"any": "x"}}},
    "asks about fewer pods": {"objectSelector": {"matchLabels": {"no": "pod"}}},
    "has a condition": {"matchConditions": [{"name": "no", "expression": "false"}]},
    "keeps others' pods from being created": {"failurePolicy": "Fail"},
}


@pytest.mark.parametrize("change", WIDENED.values(), ids=WIDENED.keys())
@pytest.mark.parametrize("minutes", [1, 60])
def test_a_webhook_that_says_something_else_is_named_in_an_upgrade_as_ever(change: Any, minutes: float) -> None:
    (said,) = judge(trusting("ours", **change), installed(), pem("ours"), minutes)
    assert said.startswith("MutatingWebhookConfiguration injector was changed")
    assert "an attacker may read and change what is written to the cluster" in said
    assert "kubectl delete mutatingwebhookconfiguration injector, then helm upgrade at once" in said


def test_one_webhook_more_is_named() -> None:
    live = trusting("ours")
    live["webhooks"].append(live["webhooks"][0] | {"name": "two"})
    assert judge(live, installed(), pem("ours"))


TRUSTED: dict[str, tuple[Guards, tuple[str, ...], str | None, str, str]] = {
    # the chart's guards, the authorities that the webhook trusts, the published ones, and what is reported during an
    # upgrade and later
    "whom the Job says": (installed(), ("ours",), pem("ours"), "", ""),
    "both of two in the course of a replacement": (installed(), ("new", "old"), pem("new", "old"), "", ""),
    "one of them": (installed(), ("old",), pem("new", "old"), "", ""),
    "somebody else": (installed(), ("thief",), pem("ours"), "trusts another", "trusts another"),
    "somebody else besides": (
        installed(),
        ("ours", "thief"),
        pem("ours"),
        "trusts another",
        "trusts another",
    ),
    "nobody": (installed(), (), pem("ours"), "", "does not trust the injector"),
    "nobody, and nothing is published": (installed(), (), None, "", "does not trust the injector"),
    "somebody, and nothing is published": (installed(), ("any",), None, "", "cannot be checked"),
    "whom the values say": (installed("Given", "mine"), ("mine",), None, "", ""),
    "not whom they say": (
        installed("Given", "mine"),
        ("thief",),
        None,
        "trusts another",
        "trusts another",
    ),
    "whom cert-manager says": (installed("Others"), ("any",), None, "", ""),
}


@pytest.mark.parametrize(("guards", "trusts", "published", "soon", "later"), TRUSTED.values(), ids=TRUSTED.keys())
def test_whom_the_api_server_trusts_to_be_our_webhook_is_looked_at(
    guards: Guards, trusts: tuple[str, ...], published: str | None, soon: str, later: str
) -> None:
    for minutes, says in ((9, soon), (10, later)):
        said = judge(trusting(*trusts), guards, published, minutes)
        assert len(said) == bool(says)
        assert all(says in text and "run helm upgrade" in text for text in said)


def test_a_webhook_is_kept_as_it_is() -> None:
    obj = managed(("helm", "2027-01-02T00:00:00Z", "")) | trusting("ours")
    del obj["spec"]
    assert see_guard(obj) == Guard(trusting("ours"))
