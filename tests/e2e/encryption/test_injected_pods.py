"""Pods of all shapes: what a real API server accepts without a sidecar, it accepts with one."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.manifests import IMAGE, pod
from tests.e2e.support.sidecars import dry_run, refusal, sidecar_of
from tests.e2e.support.spaces import Space

HTTP = {"httpGet": {"port": 8080, "path": "/up"}}
NODES = {"key": "kubernetes.io/os", "operator": "In", "values": ["linux", "windows"]}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
SMALL = {"cpu": "100m", "memory": "64Mi"}
LARGE = {"cpu": "200m", "memory": "128Mi"}


def app(**fields: Any) -> Json:
    """Return a spec whose container has additional fields."""
    return {"containers": [fields]}


SHAPES: dict[str, Json] = {
    "plain": {},
    # Resources, of the whole pod and of containers
    "whole, requests and limits": app(resources={"requests": SMALL})
    | {"resources": {"requests": SMALL, "limits": LARGE}},
    "whole, limits": {"resources": {"limits": LARGE}},
    "whole, requests": {"resources": {"requests": SMALL}},
    "whole, one of them": {"resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "128Mi"}}},
    "whole, guaranteed": {"resources": {"requests": LARGE, "limits": LARGE}},
    "resources": app(resources={"requests": SMALL, "limits": {**LARGE, "example.org/card": "1"}}),
    "huge pages": app(resources={"requests": {"cpu": "1m"}, "limits": {"hugepages-2Mi": "4Mi"}}),
    "ephemeral storage": app(resources={"limits": {"ephemeral-storage": "1Gi"}}),
    "resize policy": app(resizePolicy=[{"resourceName": "cpu", "restartPolicy": "NotRequired"}]),
    "a claim": app(resources={"claims": [{"name": "card"}]})
    | {"resourceClaims": [{"name": "card", "resourceClaimTemplateName": "card"}]},
    # Node selection
    "linux": {"os": {"name": "linux"}, "nodeSelector": {"kubernetes.io/os": "linux"}}
    | app(lifecycle={"stopSignal": "SIGINT"}),
    "either system": {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [NODES]}]}
            }
        }
    },
    "gates": {"schedulingGates": [{"name": "example.org/a"}], "readinessGates": [{"conditionType": "example.org/a"}]},
    "spread": {
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "system-node-critical",
    },
    # Life cycle
    "once": {"restartPolicy": "Never", "activeDeadlineSeconds": 60, "terminationGracePeriodSeconds": 0},
    "restart rules": app(
        restartPolicy="Never",
        restartPolicyRules=[{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}],
    ),
    "init containers": {
        "initContainers": [
            {"name": "first", "image": IMAGE, "command": ["true"], "resources": {"requests": {"cpu": "50m"}}},
            {"name": "beside", "image": IMAGE, "restartPolicy": "Always", "startupProbe": {"tcpSocket": {"port": 1}}},
        ]
    },
    "probes": app(
        ports=[{"name": "web", "containerPort": 8080}],
        startupProbe={"grpc": {"port": 9090, "service": "x"}},
        readinessProbe={"httpGet": {"port": "web", "scheme": "HTTPS"}},
        livenessProbe=HTTP | {"terminationGracePeriodSeconds": 5},
        lifecycle={"postStart": {"sleep": {"seconds": 1}}, "preStop": HTTP},
    ),
    "terminal": app(tty=True, stdin=True, workingDir="/tmp", terminationMessagePolicy="FallbackToLogsOnError"),
    # Security
    "restricted": {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    }
    | app(securityContext={"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}),
    "groups": {
        "securityContext": {
            "fsGroup": 2000,
            "fsGroupChangePolicy": "OnRootMismatch",
            "supplementalGroups": [3000],
            "supplementalGroupsPolicy": "Strict",
        }
    },
    "confined": {
        "securityContext": {
            "seLinuxOptions": {"level": "s0:c1,c2"},
            "appArmorProfile": {"type": "Unconfined"},
            "sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "1024 65535"}],
        }
    },
    "user namespace": {"hostUsers": False},
    "node's IPC": {"hostIPC": True},
    "options for Windows": {"securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}}},
    "no token": {"automountServiceAccountToken": False, "enableServiceLinks": False},
    # Names
    "names": {"hostname": "a", "subdomain": "b", "setHostnameAsFQDN": True, "hostAliases": [{"ip": "10.0.0.1"}]},
    "name servers": {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.0.0.1"], "options": [{"name": "ndots"}]}},
    # Volumes
    "volumes": {
        "volumes": [
            {"name": "data", "emptyDir": {"medium": "Memory"}},
            {"name": "disk", "ephemeral": {"volumeClaimTemplate": {"spec": CLAIM}}},
            {"name": "image", "image": {"reference": IMAGE}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ]
    }
    | app(volumeMounts=[{"name": name, "mountPath": f"/{name}"} for name in ("data", "disk", "image", "token")]),
    "a certificate of its own": {
        "volumes": [
            {
                "name": "certificate",
                "projected": {
                    "sources": [
                        {"podCertificate": {"signerName": "example.org/x", "keyType": "ED25519", "keyPath": "k"}}
                    ]
                },
            }
        ]
    },
}
"""Settings that pods may have, by name. All of them can be combined."""


def mixed() -> Iterator[tuple[str, ...]]:
    """Yield names of shapes: each alone, and then several together."""
    shapes = tuple(SHAPES)
    yield from ((shape,) for shape in shapes)
    for step in (5, 7, 11):
        yield from (shapes[start::step] for start in range(step))


def merge(into: Json, shape: Json) -> None:
    """Merge a shape into a spec: objects key by key, lists by appending; all shapes share one container."""
    for key, value in copy.deepcopy(shape).items():
        if key == "containers":
            merge(into["containers"][0], value[0])
        elif isinstance(value, dict):
            merge(into.setdefault(key, {}), value)
        elif isinstance(value, list):
            into[key] = [*into.get(key, ()), *value]
        else:
            into[key] = value


def shaped(name: str, shapes: tuple[str, ...]) -> Json:
    """Return a pod of these shapes."""
    made = pod(name)
    for shape in shapes:
        merge(made["spec"], SHAPES[shape])
    return made


def accepted(admin: Kubectl, pods: list[Json], namespace: str) -> tuple[set[str], str]:
    """Return the names of the pods that would be created, and the errors about the others."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
    done = admin.attempt("-n", namespace, "create", "--dry-run=server", "-o", "name", "-f", "-", stdin=listed)
    return {line.removeprefix("pod/") for line in done.stdout.splitlines()}, done.stderr


def test_what_a_server_takes_without_a_sidecar_it_takes_with_one(admin: Kubectl, space: Space, transit: str) -> None:
    named = {f"p-{number}": shapes for number, shapes in enumerate(mixed())}
    pods = [shaped(name, shapes) for name, shapes in named.items()]
    without, said = accepted(admin, pods, space("secnumcloud"))
    assert {shapes for name, shapes in named.items() if name not in without and len(shapes) == 1} == set(), said
    assert len(without) > len(named) * 3 / 4, said
    having, said = accepted(admin, pods, space(transit))
    assert {named[name] for name in without - having} == set(), said


CLASSES: dict[str, tuple[Json, str, Json]] = {
    "limits": (
        {"limits": LARGE},
        "Guaranteed",
        {"requests": {"cpu": "300m", "memory": "640Mi"}, "limits": {"cpu": "300m", "memory": "640Mi"}},
    ),
    "both": (
        {"requests": SMALL, "limits": LARGE},
        "Burstable",
        {"requests": {"cpu": "120m", "memory": "128Mi"}, "limits": {"cpu": "300m", "memory": "640Mi"}},
    ),
    "requests": ({"requests": SMALL}, "Burstable", {"requests": {"cpu": "120m", "memory": "128Mi"}}),
}


@pytest.mark.parametrize(("whole", "quality", "grown"), CLASSES.values(), ids=CLASSES.keys())
def test_a_pod_keeps_its_class_and_has_the_sidecars_resources_besides(
    admin: Kubectl, space: Space, transit: str, *, whole: Json, quality: str, grown: Json
) -> None:
    made = pod("app", resources=whole)
    before, after = (dry_run(admin, made, space(policy)) for policy in ("secnumcloud", transit))
    assert before["status"]["qosClass"] == after["status"]["qosClass"] == quality
    assert after["spec"]["resources"] == grown


@pytest.fixture
def windows(admin: Kubectl) -> Iterator[str]:
    """Create a RuntimeClass whose pods run on Windows, and return its name."""
    name, nodes = "windows", {"nodeSelector": {"kubernetes.io/os": "windows"}}
    found = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "x"}
    admin.create(found | {"scheduling": nodes})
    yield name
    admin.delete("runtimeclass", name)


def test_a_pod_for_windows_is_refused_with_words(admin: Kubectl, space: Space, transit: str, windows: str) -> None:
    plain, encrypting = space("secnumcloud"), space(transit)
    required = {"nodeSelectorTerms": [{"matchExpressions": [NODES | {"values": ["windows"]}]}]}
    ways = (
        {"os": {"name": "windows"}},
        {"nodeSelector": {"kubernetes.io/os": "windows"}},
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}},
        {"runtimeClassName": windows},
    )
    for way in ways:
        made = pod("iis", **way)
        eventually(lambda made=made: not refusal(admin, made, plain), what="the RuntimeClass")  # type: ignore[misc]
        assert "sidecars run on linux only" in refusal(admin, made, encrypting)


def test_a_pod_is_restored_from_a_backup_of_its_volumes(admin: Kubectl, space: Space, transit: str) -> None:
    """Restored as by Velero: the same pod, with a first init container that mounts each volume that was backed up."""
    namespace = space(transit)
    first = pod("app", volumes=[{"name": "data", "emptyDir": {}}], resources={"requests": SMALL, "limits": LARGE})
    first["spec"]["containers"][0] |= {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    admin.create(first, namespace)

    def running() -> Json:
        found = admin.get("pod", "app", namespace)
        assert found["status"]["phase"] == "Running", found["status"]
        # The controller has annotated the pod.
        assert "audit.sovereignty.dev/node-uid" in found["metadata"]["annotations"]
        return found

    before = eventually(running, what="a pod")
    assert before["metadata"]["annotations"]["backup.velero.io/backup-volumes-excludes"] == "sovereignty-run"
    metadata = {key: before["metadata"][key] for key in ("name", "labels", "annotations")}
    spec = {key: value for key, value in before["spec"].items() if key not in {"nodeName", "priority"}}
    mounts = [{"name": name, "mountPath": f"/restores/{name}"} for name in ("data", "sovereignty-run")]
    waiting = {"name": "restore-wait", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "volumeMounts": mounts}
    # A backup that was made without the annotation would contain the sidecar's files, too.
    waiting["command"] = ["sh", "-c", 'test "$(ls /restores)" = data']
    spec["initContainers"] = [waiting, *spec["initContainers"]]
    admin.delete("pod", "app", namespace=namespace)
    admin.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, namespace)
    after = eventually(running, what="the pod that is restored")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert [each["name"] for each in after["spec"]["initContainers"]] == ["sovereignty-sidecar", "restore-wait"]
    assert sidecar_of(after) == sidecar_of(before)
    assert after["spec"]["resources"] == before["spec"]["resources"]
