"""Pods in scope of an encrypting policy whose traffic would bypass the sidecar: all of them are refused."""

import json
from collections.abc import Iterator

import pytest

from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.sidecar.contract import UID
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.identity_attacks import IDENTITY
from tests.e2e.support.manifests import IMAGE, pod
from tests.e2e.support.pod_changes import (
    Change,
    app,
    attack,
    context,
    form,
    mount,
    secure,
    sidecar,
    spec_of,
    volume,
)
from tests.e2e.support.sidecars import Exposed, exposed_to, refusal
from tests.e2e.support.spaces import Held, Space

GUARD = "sovereignty-guard-sidecars-by-namespace"
GUARD_BY_LABEL = "sovereignty-guard-sidecars-by-label"
HELPFUL = "the injector writes the sidecar into pods: if it is down or restarts, try again later"
HTTP = {"httpGet": {"port": 8080, "path": "/up"}}


@pytest.fixture(scope="module")
def exposed(admin: Kubectl, transit: str, roaming: Held) -> Iterator[Exposed]:
    with exposed_to(admin, transit, roaming) as found:
        yield found
    admin.run("-n", roaming.namespace, "delete", "pods", "--all", "--wait=false")


IDLE = {"name": "idle-too", "image": IMAGE}

ATTACKS: dict[str, tuple[Change, str]] = {
    "no sidecar": (lambda spec: spec["initContainers"].clear(), "the first of its initContainers is not"),
    "a sidecar of another name": (sidecar(name="sidecar"), "the first of its initContainers is not"),
    "a sidecar that comes second": (
        lambda spec: spec["initContainers"].insert(0, IDLE),
        "the first of its initContainers is not",
    ),
    "a sidecar among the containers": (
        lambda spec: spec["containers"].append(spec["initContainers"].pop() | {"restartPolicy": None}),
        "the first of its initContainers is not",
    ),
    "another image": (sidecar(image="evil"), "image of sovereignty-sidecar"),
    "another command": (sidecar(command=["sh"]), "command of"),
    "another argument": (sidecar(args=["--probe=http://:8080/up", "--log-level=debug"]), "args of"),
    "a probe that is a host": (sidecar(args=["--probe=http://evil:8080/up"]), "args of"),
    "a probe of every path": (sidecar(args=["--probe=http://:8080"]), "args of"),
    "more probes than there are ports": (sidecar(args=["--probe=tcp://:80"] * 65), "args of"),
    "a probe of two lines": (sidecar(args=["--probe=http://:80/\n"]), "args of"),
    "a last word over its orders": (
        sidecar(terminationMessagePath="/run/sovereignty/transit/listeners.json"),
        "terminationMessagePath of",
    ),
    "answers that nobody owns": (
        spec_of(securityContext={"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "2"}]}),
        "net.ipv4.tcp_syncookies",
    ),
    "files by their numbers": (secure(capabilities={"add": ["DAC_READ_SEARCH"]}), "container idle adds a capability"),
    "hardly any memory": (
        sidecar(resources={"limits": {"memory": "64Mi"}}),
        "memory limit of sovereignty-sidecar is not",
    ),
    "memory without a limit": (sidecar(resources={}), "memory limit of sovereignty-sidecar is not"),
    "another limit later that it does not notice": (
        sidecar(resizePolicy=[{"resourceName": "memory", "restartPolicy": "NotRequired"}]),
        "resizePolicy of",
    ),
    "a sidecar that ends": (sidecar(restartPolicy=None, startupProbe=None, resizePolicy=None), "restartPolicy of"),
    "no startup probe": (sidecar(startupProbe=None), "startupProbe of"),
    "a startup probe that is always true": (
        lambda spec: spec["initContainers"][0]["startupProbe"].update(httpGet=None, exec={"command": ["true"]}),
        "startupProbe of",
    ),
    "a startup probe past the redirect": (
        lambda spec: spec["initContainers"][0]["startupProbe"]["httpGet"].update(port=15021),
        "startupProbe of",
    ),
    "a startup probe of another host": (
        lambda spec: spec["initContainers"][0]["startupProbe"]["httpGet"].update(host="example.org"),
        "startupProbe of",
    ),
    "a liveness probe": (sidecar(livenessProbe=HTTP), "livenessProbe of"),
    "a readiness probe": (sidecar(readinessProbe=HTTP), "readinessProbe of"),
    "a hook": (sidecar(lifecycle={"postStart": {"exec": {"command": ["sh"]}}}), "lifecycle of"),
    "environment": (sidecar(env=[{"name": "PYTHONPATH", "value": "/run/evil"}]), "env of"),
    "environment from elsewhere": (sidecar(envFrom=[{"configMapRef": {"name": "evil"}}]), "envFrom of"),
    "a port": (sidecar(ports=[{"containerPort": 80, "hostPort": 80}]), "ports of"),
    "a terminal": (sidecar(stdin=True, tty=True), "stdin of"),
    "another folder to start in": (sidecar(workingDir="/run/sovereignty/run"), "workingDir of"),
    "one mount more": (
        lambda spec: (
            spec["initContainers"][0]["volumeMounts"].append({"name": "evil", "mountPath": "/opt"})
            or spec["volumes"].append({"name": "evil", "emptyDir": {}})
        ),
        "volumeMounts of",
    ),
    "a mount elsewhere": (mount(0, mountPath="/elsewhere"), "volumeMounts of"),
    "a mount that can be written": (mount(1, readOnly=False), "volumeMounts of"),
    "a mount of a part": (mount(1, subPath="listeners.json"), "volumeMounts of"),
    "the service account's token": (mount(3, mountPath="/elsewhere"), "volumeMounts of"),
    "a place for the service account's token": (
        lambda spec: spec["initContainers"][0]["volumeMounts"].pop() and spec.update(automountServiceAccountToken=True),
        "volumeMounts of",
    ),
    "two mounts of one volume": (mount(2, name="sovereignty-identity"), "volumeMounts of"),
    "another user": (context(runAsUser=1000), "securityContext of"),
    "another group": (context(runAsGroup=0), "securityContext of"),
    "more privileges": (context(allowPrivilegeEscalation=True), "securityContext of"),
    "all privileges": (context(privileged=True, allowPrivilegeEscalation=True), "securityContext of"),
    "a file system that can be written": (context(readOnlyRootFilesystem=False), "securityContext of"),
    "a capability": (context(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}), "securityContext of"),
    "capabilities that are kept": (context(capabilities={}), "securityContext of"),
    "no seccomp": (context(seccompProfile={"type": "Unconfined"}), "securityContext of"),
    **IDENTITY,
    "other orders": (volume("sovereignty-transit", configMap={"name": "mine"}), "volume sovereignty-transit"),
    "the orders of another policy": (
        volume(
            "sovereignty-transit",
            projected={
                "sources": [
                    {
                        "configMap": {
                            "name": "sovereignty-transit.hds",
                            "items": [{"key": "listeners-with-limits.json", "path": "listeners.json"}],
                        }
                    }
                ]
            },
        ),
        "volume sovereignty-transit",
    ),
    "files of others where it writes": (volume("sovereignty-run", hostPath={"path": "/tmp"}), "volume sovereignty-run"),
    "the node's network": (spec_of(hostNetwork=True), "spec.hostNetwork is true"),
    "the node's processes": (spec_of(hostPID=True), "spec.hostPID is true"),
    "shared processes": (spec_of(shareProcessNamespace=True), "spec.shareProcessNamespace is true"),
    "a pod as the sidecar's user": (spec_of(securityContext={"runAsUser": UID}), "spec.securityContext.runAsUser"),
    "a container as the sidecar's user": (secure(runAsUser=UID), "container idle runs as the user of the sidecar"),
    "an init container as the sidecar's user": (
        lambda spec: spec["initContainers"].append(IDLE | {"securityContext": {"runAsUser": UID}}),
        "container idle-too runs as the user of the sidecar",
    ),
    "a privileged container": (secure(privileged=True), "container idle is privileged"),
    "a container that may change the network": (
        secure(capabilities={"add": ["NET_ADMIN"]}),
        "container idle adds a capability",
    ),
    "the same in small letters": (secure(capabilities={"add": ["net_raw"]}), "container idle adds a capability"),
    "all capabilities": (secure(capabilities={"add": ["ALL"]}), "container idle adds a capability"),
    "a container that mounts the key": (
        app(volumeMounts=[{"name": "sovereignty-identity", "mountPath": "/x"}]),
        "container idle mounts a volume of the sidecar",
    ),
    "a container that writes where the sidecar does": (
        app(volumeMounts=[{"name": "sovereignty-run", "mountPath": "/x"}]),
        "container idle mounts a volume of the sidecar",
    ),
}


@pytest.mark.parametrize(("change", "says"), ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused_with_what_is_wrong(mallory: Kubectl, exposed: Exposed, change: Change, says: str) -> None:
    said = refusal(mallory, attack(exposed.injected, change), exposed.namespace)
    assert f"ValidatingAdmissionPolicy '{GUARD}'" in said
    assert "not encrypted: pod" in said
    assert says in said
    assert said.count(" sovereignty-sidecar is not as") + said.count("container idle") <= 2
    # For a setting that no pod may have, the message must not suggest to try again later.
    ours = "as the injector writes it" in said or "initContainers is not sovereignty-sidecar" in said
    assert (HELPFUL in said) is ours
    assert "\n" not in said


@pytest.mark.parametrize("name", ["no sidecar", "another image", "shared processes"])
def test_a_pod_that_names_its_policy_is_held_to_it_as_well(mallory: Kubectl, exposed: Exposed, name: str) -> None:
    change, says = ATTACKS[name]
    said = refusal(mallory, attack(exposed.by_label, change), exposed.elsewhere)
    assert f"ValidatingAdmissionPolicy '{GUARD_BY_LABEL}'" in said
    assert says in said


def test_what_the_injector_left_is_let_in(mallory: Kubectl, exposed: Exposed) -> None:
    assert not refusal(mallory, exposed.injected, exposed.namespace)
    assert not refusal(mallory, exposed.by_label, exposed.elsewhere)


@pytest.mark.parametrize("by_token", [True, False])
def test_whichever_way_is_set_both_are_let_in(mallory: Kubectl, exposed: Exposed, *, by_token: bool) -> None:
    change = form(by_token=by_token)
    assert not refusal(mallory, attack(exposed.injected, change), exposed.namespace)
    assert not refusal(mallory, attack(exposed.by_label, change), exposed.elsewhere)


def test_nothing_but_this_guard_stops_these_attacks(mallory: Kubectl, admin: Kubectl, exposed: Exposed) -> None:
    with without_bindings(admin, GUARD, GUARD_BY_LABEL):
        first, *_ = ATTACKS.values()
        eventually(lambda: not refusal(mallory, attack(exposed.injected, first[0]), exposed.namespace), what="no guard")
        for name, (change, _) in ATTACKS.items():
            assert not refusal(mallory, attack(exposed.injected, change), exposed.namespace), name
    eventually(
        lambda: GUARD in refusal(mallory, attack(exposed.injected, first[0]), exposed.namespace), what="the guard"
    )


EARLY = (
    "a container that writes where the sidecar does",
    "a container as the sidecar's user",
    "a privileged container",
    "shared processes",
    "hardly any memory",
)


def test_nor_does_a_pod_that_was_there_before_its_policy_encrypts(
    mallory: Kubectl, exposed: Exposed, transit: str, space: Space
) -> None:
    """Such a pod would count as encrypted as soon as its policy encrypts."""
    namespace = space("secnumcloud")
    early = json.loads(json.dumps(exposed.injected).replace(f'"{transit}"', '"secnumcloud"'))
    early = json.loads(
        json.dumps(early).replace(f'"sovereignty-transit.{transit}"', '"sovereignty-transit.secnumcloud"')
    )
    early = json.loads(json.dumps(early).replace(f'"sovereignty-trust.{transit}"', '"sovereignty-trust.secnumcloud"'))
    early["spec"].pop("nodeSelector")
    assert not refusal(mallory, early, namespace)
    for name in EARLY:
        change, says = ATTACKS[name]
        said = refusal(mallory, attack(early, change), namespace)
        assert f"ValidatingAdmissionPolicy '{GUARD}'" in said, name
        assert "not a sidecar: " in said
        assert says in said


def test_other_namespaces_are_no_concern(mallory: Kubectl, exposed: Exposed) -> None:
    assert not refusal(mallory, pod("app", shareProcessNamespace=True), exposed.elsewhere)


LATE: dict[str, tuple[Json, str]] = {
    "before the sidecar runs": ({}, "sovereignty-sidecar has not started yet"),
    "as the sidecar's user": (
        {"securityContext": {"runAsUser": UID}},
        "container late runs as the user of the sidecar",
    ),
    "privileged": ({"securityContext": {"privileged": True}}, "container late is privileged"),
    "that may change the network": (
        {"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}},
        "container late adds a capability",
    ),
    "with the key": (
        {"volumeMounts": [{"name": "sovereignty-identity", "mountPath": "/x"}]},
        "container late mounts a volume of the sidecar",
    ),
    "that sees the sidecar's processes": (
        {"targetContainerName": "sovereignty-sidecar"},
        "targetContainerName is sovereignty-sidecar",
    ),
}


@pytest.mark.parametrize("way", ["by-namespace", "by-label"])
def test_what_comes_later_may_not_go_past_the_sidecar(mallory: Kubectl, exposed: Exposed, way: str) -> None:
    """No node fits the pod, so the sidecar never starts."""
    made, namespace = (
        (exposed.injected, exposed.namespace) if way == "by-namespace" else (exposed.by_label, exposed.elsewhere)
    )
    nowhere = {"nodeSelector": made["spec"]["nodeSelector"] | {"kubernetes.io/hostname": "nowhere"}}
    mallory.create(made | {"spec": made["spec"] | nowhere}, namespace)
    where = ("-n", namespace, "patch", "pod", "app", "--type=strategic")
    for fields, says in LATE.values():
        patch = {"spec": {"ephemeralContainers": [{"name": "late", "image": IMAGE, **fields}]}}
        said = mallory.refusal(*where, "--subresource=ephemeralcontainers", "-p", json.dumps(patch))
        assert f"ValidatingAdmissionPolicy 'sovereignty-guard-sidecars-{way}'" in said
        assert says in said
    image = {"spec": {"initContainers": [{"name": "sovereignty-sidecar", "image": "evil"}]}}
    said = mallory.refusal(*where, "-p", json.dumps(image))
    assert "another image of sovereignty-sidecar" in said
    said = mallory.refusal("-n", namespace, "exec", "app", "-c", "sovereignty-sidecar", "--", "cat", "/etc/passwd")
    assert "nobody may start a program in sovereignty-sidecar" in said
    assert "sovereignty-sidecar" not in mallory.refusal("-n", namespace, "exec", "app", "-c", "idle", "--", "true")
    # The owner may still change everything else of the pod.
    mallory.run("-n", namespace, "label", "pod", "app", "example.org/a=b")
    mallory.run(*where, "-p", json.dumps({"spec": {"containers": [{"name": "idle", "image": f"{IMAGE}x"}]}}))
    mallory.run("-n", namespace, "delete", "pod", "app", "--wait=false")
