"""Pods in scope of an encrypting policy whose traffic would bypass the sidecar: all of them are refused."""

import json

import pytest

from hack.kubectl import Kubectl, eventually
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
from tests.e2e.support.sidecars import Exposed, refusal
from tests.e2e.support.spaces import Space

GUARD = "sovereignty-guard-sidecars-by-namespace"
GUARD_BY_LABEL = "sovereignty-guard-sidecars-by-label"
EVERY_POD = "sovereignty-guard-every-pod"
HELPFUL = "the injector writes the sidecar into pods: if it is down or restarts, try again later"
HTTP = {"httpGet": {"port": 8080, "path": "/up"}}


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
    "files by their numbers": (
        secure(capabilities={"add": ["DAC_READ_SEARCH"]}),
        "container idle adds DAC_READ_SEARCH",
    ),
    "hardly any memory": (
        sidecar(resources={"limits": {"memory": "64Mi"}}),
        "memory limit of sovereignty-sidecar is not",
    ),
    "memory without a limit": (sidecar(resources={}), "memory limit of sovereignty-sidecar is not"),
    "a device": (
        sidecar(resources={"limits": {"memory": "512Mi", "example.org/card": "1"}}),
        "resources of sovereignty-sidecar",
    ),
    "pages of its own": (
        sidecar(
            resources={"requests": {"memory": "128Mi"}, "limits": {"memory": "512Mi", "hugepages-2Mi": "2Mi"}},
        ),
        "resources of sovereignty-sidecar",
    ),
    "what a driver brings": (
        lambda spec: (
            spec.update(resourceClaims=[{"name": "card", "resourceClaimTemplateName": "card"}])
            or spec["initContainers"][0]["resources"].update(claims=[{"name": "card"}])
        ),
        "resources of sovereignty-sidecar",
    ),
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
                            "items": [{"key": "listeners-after-handshake.json", "path": "listeners.json"}],
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
        "container idle adds NET_ADMIN",
    ),
    "a capability in letters that only the runtime takes for ASCII": (
        secure(capabilities={"add": ["NET_ADM\u0131N"]}),
        "container idle adds NET_ADM\u0131N",
    ),
    "the same in small letters": (secure(capabilities={"add": ["net_raw"]}), "container idle adds net_raw"),
    "all capabilities": (secure(capabilities={"add": ["ALL"]}), "container idle adds ALL"),
    "a container that mounts the key": (
        app(volumeMounts=[{"name": "sovereignty-identity", "mountPath": "/x"}]),
        "container idle mounts a volume of the sidecar",
    ),
    "a container that writes where the sidecar does": (
        app(volumeMounts=[{"name": "sovereignty-run", "mountPath": "/x"}]),
        "container idle mounts a volume of the sidecar",
    ),
}


@pytest.mark.every_kubernetes(only=["no sidecar", "another image", "a privileged container"])
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


@pytest.mark.every_kubernetes(only=["no sidecar"])
@pytest.mark.parametrize("name", ["no sidecar", "another image", "shared processes"])
def test_a_pod_that_names_its_policy_is_held_to_it_as_well(mallory: Kubectl, exposed: Exposed, name: str) -> None:
    change, says = ATTACKS[name]
    said = refusal(mallory, attack(exposed.by_label, change), exposed.elsewhere)
    assert f"ValidatingAdmissionPolicy '{GUARD_BY_LABEL}'" in said
    assert says in said


@pytest.mark.every_kubernetes
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
    mallory: Kubectl, admin: Kubectl, exposed: Exposed, transit: str, space: Space
) -> None:
    """Such a pod would count as encrypted as soon as its policy encrypts."""
    namespace = space("secnumcloud")
    early = json.loads(json.dumps(exposed.injected).replace(f'"{transit}"', '"secnumcloud"'))
    early = json.loads(
        json.dumps(early).replace(f'"sovereignty-transit.{transit}"', '"sovereignty-transit.secnumcloud"')
    )
    early = json.loads(json.dumps(early).replace(f'"sovereignty-trust.{transit}"', '"sovereignty-trust.secnumcloud"'))
    early["spec"].pop("nodeSelector")
    # That guard fails open, and refuses only what would wait: it is no protection.
    with without_bindings(admin, EVERY_POD):
        eventually(lambda: not refusal(mallory, early, namespace), what="no guard of copies")
        for name in EARLY:
            change, says = ATTACKS[name]
            said = refusal(mallory, attack(early, change), namespace)
            assert f"ValidatingAdmissionPolicy '{GUARD}'" in said, name
            assert "not a sidecar: " in said
            assert says in said
    eventually(lambda: EVERY_POD in refusal(mallory, early, namespace), what="the guard of copies")


def test_other_namespaces_are_no_concern(mallory: Kubectl, exposed: Exposed) -> None:
    assert not refusal(mallory, pod("app", shareProcessNamespace=True), exposed.elsewhere)
