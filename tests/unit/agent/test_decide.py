import re
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from sovereign_operator.agent.decide import (
    Decision,
    ForgetSandbox,
    KeepRules,
    LoadRules,
    RefuseRules,
    SidecarPod,
    decide_sandbox,
    see_pod,
)
from sovereign_operator.agent.sandboxes import Sandbox
from sovereign_operator.core.encryption.traffic_rules import Datagrams
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane.redirect import rules_of

PROBES = [Probe(ProbeKind.HTTP, 8080, "/healthz"), Probe(ProbeKind.TCP, 5432)]
ARGUMENTS = ["--log-level=info", *sidecar.arguments(PROBES)]
POD = SidecarPod("uid-1", "app", "web-0", "hds", (Probe(ProbeKind.HTTP, 8080), Probe(ProbeKind.TCP, 5432)))
SANDBOX = Sandbox("sandbox-1", "uid-1", "app", "web-0", "/run/netns/a", "eth0", frozenset({"10.0.0.1"}))
RULES = rules_of(PROBES, None)
STRICT = rules_of(PROBES, ())

CASES: dict[str, tuple[SidecarPod | None, Sandbox | None, str | None, Decision]] = {
    "a pod in its first sandbox": (POD, SANDBOX, None, LoadRules(POD, SANDBOX, RULES)),
    "rules are there": (POD, SANDBOX, RULES, KeepRules(SANDBOX)),
    "other rules are there": (POD, SANDBOX, STRICT, LoadRules(POD, SANDBOX, RULES)),
    "the pod is not seen yet, or has no sidecar": (None, SANDBOX, None, ForgetSandbox()),
    "the pod is gone": (None, SANDBOX, RULES, ForgetSandbox()),
    "the sandbox is gone": (POD, None, RULES, ForgetSandbox()),
    "another pod by that name": (replace(POD, uid="uid-2"), SANDBOX, RULES, ForgetSandbox()),
}


@pytest.mark.parametrize(("pod", "sandbox", "loaded", "decision"), CASES.values(), ids=CASES.keys())
def test_what_is_done_about_a_sandbox(
    pod: SidecarPod | None, sandbox: Sandbox | None, loaded: str | None, decision: Decision
) -> None:
    assert decide_sandbox(pod, sandbox, loaded, None) == decision


def test_another_mode_means_other_rules() -> None:
    assert decide_sandbox(POD, SANDBOX, RULES, ()) == LoadRules(POD, SANDBOX, STRICT)
    named = (Datagrams(ip_network("10.0.0.0/8"), range(5004, 5006)),)
    assert decide_sandbox(POD, SANDBOX, STRICT, named) == LoadRules(POD, SANDBOX, rules_of(PROBES, named))


def test_peers_are_kept_for_pods_whose_sidecar_expects_it() -> None:
    keeping = replace(POD, keeps_peers=True)
    rules = rules_of(PROBES, None, (), {"10.0.0.1"})
    assert rules != RULES
    assert decide_sandbox(keeping, SANDBOX, RULES, None) == LoadRules(keeping, SANDBOX, rules)
    assert decide_sandbox(keeping, SANDBOX, rules, None) == KeepRules(SANDBOX)


@pytest.mark.parametrize(
    ("known", "kept"),
    [
        ({"10.0.0.1", "fd00::1"}, ["10.0.0.1", "fd00::1"]),
        ({"10.0.0.2", "10.0.0.1"}, ["10.0.0.1"]),
        ({"fd00:0:0::1", "fd00::2"}, ["fd00::1"]),
        ({"", "10.0.0.1/24", "10.0.0.1; add table inet evil"}, []),
        (set(), []),
    ],
)
def test_peers_are_kept_for_one_address_of_each_family(known: set[str], kept: list[str]) -> None:
    """Text that is no address, in a file of the runtime, never becomes part of rules."""
    rules = rules_of(PROBES, (), (), known)
    assert re.findall(rf"daddr (\S+) redirect to :{sidecar.PEER_PORT}", rules) == kept
    assert re.findall(r"dnat ip6? to (\S+)", rules) == kept
    assert "evil" not in rules


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--probe=what?",), "not a probe"),
        (("--probe=tcp://:15006",), "no application listens on port 15006"),
        (("--probe=tcp://:0; add table inet evil",), "not a probe: 'tcp://:0; add table inet evil'"),
        (("--probe=tcp://:5432",) * (len(sidecar.PROBE_PORTS) + 1), "zip"),
        (("--probe=tcp://:5432",) * 50_000, "zip"),
        (("--probe=" + "a" * 1_000_000,), "not a probe: 'aaa"),
    ],
)
def test_there_are_no_rules_for_what_cannot_be_understood(arguments: tuple[str, ...], why: str) -> None:
    seen = see_pod(pod(initContainers=[SIDECAR | {"args": list(arguments)}]))
    decision = decide_sandbox(seen, SANDBOX, None, None)
    assert isinstance(decision, RefuseRules)
    assert why in decision.why
    assert len(repr(decision)) < MOST


def test_little_is_kept_of_a_sidecars_arguments() -> None:
    long = [Probe(ProbeKind.HTTP, port, "/" + "a" * 10_000, (("A", "a" * 10_000),)) for port in range(1, 65)]
    seen = see_pod(pod(initContainers=[SIDECAR | {"args": sidecar.arguments(long)}]))
    assert len(repr(seen)) < MOST
    assert decide_sandbox(seen, SANDBOX, None, ()) == LoadRules(seen, SANDBOX, rules_of(long, ()))  # type: ignore[arg-type]


def pod(**spec: Any) -> dict[str, Any]:
    metadata = {"uid": "uid-1", "namespace": "app", "name": "web-0", "labels": {"a": "b"}}
    return {"metadata": metadata, "spec": {**volumes(), **spec}}


def volumes(*keys: str) -> dict[str, Any]:
    """Return the volumes of a pod whose sidecar mounts these keys of its transit config."""
    items = {"items": [{"key": key, "path": sidecar.LISTENERS} for key in keys]} if keys else {}
    config = {"configMap": {"name": sidecar.transit_config_map("hds"), **items}}
    return {"volumes": [{"name": sidecar.TRANSIT_VOLUME, "projected": {"sources": [config]}}]}


SIDECAR = {"name": sidecar.CONTAINER, "args": ARGUMENTS}
MOST = 10_000
"""The most characters that the agent keeps about a pod, or logs about it."""


@pytest.mark.parametrize(
    ("spec", "seen"),
    [
        ({"initContainers": [SIDECAR, {"name": "init"}]}, POD),
        ({"initContainers": [{"name": sidecar.CONTAINER}]}, replace(POD, probes=())),
        ({"initContainers": [SIDECAR], **volumes(sidecar.LISTENERS_KEY)}, replace(POD, keeps_peers=True)),
        ({"initContainers": [SIDECAR], **volumes("listeners-with-peers.json")}, replace(POD, keeps_peers=True)),
        *(
            ({"initContainers": [SIDECAR], **volumes(f"listeners{suffix}.json")}, POD)
            for suffix in ("-with-limits", "-with-keepalive")
        ),
        ({"initContainers": [{"name": "init"}, SIDECAR]}, None),
        ({"containers": [SIDECAR]}, None),
        ({"initContainers": [SIDECAR], "hostNetwork": True}, None),
    ],
)
def test_pods_with_a_sidecar_are_recognised_by_their_first_init_container(
    spec: dict[str, Any], seen: SidecarPod | None
) -> None:
    assert see_pod(pod(**spec)) == seen
