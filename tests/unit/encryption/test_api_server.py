"""Pods that the API server calls, which has no certificate of a policy."""

from typing import Any

import pytest

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit
from sovereign_operator.core.encryption.api_server import (
    Call,
    called_pods,
    calls_of,
    phrase,
    refused_ports,
    targets_of,
)

Json = dict[str, Any]
SERVICE = {"namespace": "ward", "name": "hook"}
CALL = Call("ward", "hook", 443)


def webhooks(*services: Json | None) -> Json:
    return {
        "webhooks": [
            {"clientConfig": {"service": service} if service else {"url": "https://x"}} for service in services
        ]
    }


def converted(conversion: Json | None) -> Json:
    return {"spec": {"conversion": conversion} if conversion else {}}


@pytest.mark.parametrize(
    ("kind", "obj", "calls"),
    [
        ("ValidatingWebhookConfiguration", webhooks(SERVICE), {CALL}),
        (
            "MutatingWebhookConfiguration",
            webhooks(None, SERVICE | {"port": 8443, "path": "/x"}, SERVICE),
            {CALL, Call("ward", "hook", 8443)},
        ),
        ("ValidatingWebhookConfiguration", {}, set()),
        ("APIService", {"spec": {"service": SERVICE | {"port": 443}}}, {CALL}),
        # Of the API server's own groups.
        ("APIService", {"spec": {"service": None}}, set()),
        ("APIService", {"spec": {}}, set()),
        (
            "CustomResourceDefinition",
            converted({"strategy": "Webhook", "webhook": {"clientConfig": {"service": SERVICE}}}),
            {CALL},
        ),
        ("CustomResourceDefinition", converted({"strategy": "None"}), set()),
        ("CustomResourceDefinition", converted(None), set()),
    ],
)
def test_what_has_the_api_server_call_a_service(kind: str, obj: Json, calls: set[Call]) -> None:
    assert calls_of(kind, obj) == calls


def slice_of(*addresses: str, ports: Any = ((("https"), 9443),), kind: str = "IPv4") -> Json:
    listed = [{"name": name, "port": port, "protocol": "TCP"} for name, port in ports]
    return {"addressType": kind, "endpoints": [{"addresses": [address]} for address in addresses], "ports": listed}


NAMED: Json = {"spec": {"ports": [{"name": "https", "port": 443}, {"name": "metrics", "port": 8080}]}}
UNNAMED: Json = {"spec": {"ports": [{"port": 443, "targetPort": "web"}]}}


@pytest.mark.parametrize(
    ("service", "part", "arrive"),
    [
        (NAMED, slice_of("10.244.1.7", "10.244.2.8"), {"10.244.1.7": {9443}, "10.244.2.8": {9443}}),
        (NAMED, slice_of("10.244.1.7", ports=[("https", 9443), ("metrics", 9000)]), {"10.244.1.7": {9443}}),
        (NAMED, slice_of("10.244.1.7", ports=[("metrics", 9000)]), {}),
        (UNNAMED, slice_of("fd00::7", ports=[("", 9443)], kind="IPv6"), {"fd00::7": {9443}}),
        (UNNAMED, slice_of("fd00::7", ports=[(None, 9443)], kind="IPv6"), {"fd00::7": {9443}}),
        # Any port of an endpoint that has none.
        (UNNAMED, slice_of("10.244.1.7", ports=[("", None)]), {}),
        (UNNAMED, slice_of("hook.example.org", ports=[("", 9443)], kind="FQDN"), {}),
        ({"spec": {"type": "ExternalName"}}, slice_of("10.244.1.7"), {}),
    ],
)
def test_where_its_calls_arrive(service: Json, part: Json, arrive: dict[str, set[int]]) -> None:
    assert targets_of(CALL, service, [part]) == arrive


SERVERS = ("192.0.2.1", "192.0.2.2")


def policy(**fields: Any) -> EncryptionInTransit:
    return EncryptionInTransit.model_validate({"mode": "Strict", "clusterNetworks": ["10.0.0.0/8"], **fields})


@pytest.mark.parametrize(
    ("fields", "servers", "refused"),
    [
        ({}, SERVERS, [9443, 9444]),
        ({"plainPorts": [{"port": 9443, "reason": "webhook"}]}, SERVERS, [9444]),
        ({"plainPeers": [{"network": "192.0.2.0/24", "reason": "API servers"}]}, SERVERS, []),
        ({"plainPeers": [{"network": "192.0.2.1/32", "reason": "one of two"}]}, SERVERS, [9443, 9444]),
        ({"plainPeers": [{"network": "192.0.2.0/24", "reason": "maybe"}]}, (), [9443, 9444]),
    ],
)
def test_what_strict_would_refuse(fields: Json, servers: tuple[str, ...], refused: list[int]) -> None:
    assert refused_ports(policy(**fields), [9444, 9443], servers) == refused


def test_the_ports_of_all_slices_and_callers_of_a_pod_are_said_together() -> None:
    slices = [slice_of("10.244.1.7"), slice_of("10.244.2.8"), slice_of("10.244.1.7", ports=[("https", 9444)])]
    calls = {
        CALL: ({"APIService x"}, targets_of(CALL, NAMED, slices)),
        Call("ward", "hook", 8080): ({"CustomResourceDefinition y"}, {"10.244.1.7": frozenset({9000})}),
        Call("other", "hook", 443): ({"APIService z"}, {"10.244.1.7": frozenset({1})}),
    }
    pods = {("ward", "10.244.1.7"): "web", ("ward", "10.244.1.9"): "quiet"}
    assert called_pods(policy(), pods, calls, SERVERS) == {
        "web": "ports 9000, 9443, 9444, called for APIService x, CustomResourceDefinition y"
    }
    assert not called_pods(policy(plainPeers=[{"network": "192.0.2.0/24", "reason": "all"}]), pods, calls, SERVERS)


def test_it_is_said_in_words() -> None:
    assert phrase([9443], ["b", "a"]) == "port 9443, called for a, b"
    assert phrase([1, 2], ["APIService x"]) == "ports 1, 2, called for APIService x"
