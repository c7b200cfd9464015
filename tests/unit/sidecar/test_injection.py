"""Injection of the sidecar into pods: what it adds, rewrites, leaves unchanged and refuses."""

import copy
import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import PROBE_PORTS, VOLUMES, probes_of, transit_policy
from sovereign_operator.core.sidecar.injection import SidecarSettings, inject
from sovereign_operator.core.sidecar.json_patch import patch
from sovereign_operator.core.sidecar.probes import CannotInjectError

Json = dict[str, Any]

SETTINGS = SidecarSettings("localhost/sovereign-sidecar:1", "IfNotPresent", {"requests": {"cpu": "20m"}})
FIRST, SECOND, *_ = PROBE_PORTS
EXCLUDES = "backup.velero.io/backup-volumes-excludes"


def pod(*containers: Json, **spec: Any) -> Json:
    """Return a pod with one container, unless others are given."""
    given = [*containers] or [{"name": "app", "image": "app"}]
    return {"metadata": {"generateName": "app-"}, "spec": {"containers": given, **spec}}


def app(name: str = "app", /, **fields: Any) -> Json:
    return {"name": name, "image": "app", **fields}


def injected(before: Json) -> Json:
    return inject(before, "hds", SETTINGS)


def sidecar_of(made: Json) -> Any:
    found = sidecar.container_of(made)
    assert found is not None
    return found


def told(made: Json) -> list[str]:
    return [str(probe) for probe in probes_of(sidecar_of(made))]


def test_the_sidecar_and_its_volumes() -> None:
    made = injected(pod())
    assert transit_policy(made) == "hds"
    assert made["spec"]["initContainers"] == [
        {
            "name": "sovereignty-sidecar",
            "image": "localhost/sovereign-sidecar:1",
            "imagePullPolicy": "IfNotPresent",
            "restartPolicy": "Always",
            "args": [],
            "resources": {"requests": {"cpu": "20m"}},
            "resizePolicy": [
                {"resourceName": "cpu", "restartPolicy": "NotRequired"},
                {"resourceName": "memory", "restartPolicy": "RestartContainer"},
            ],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "runAsGroup": 65533,
                "runAsNonRoot": True,
                "runAsUser": 65533,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "startupProbe": {
                "httpGet": {"path": "/ready", "port": 15022, "scheme": "HTTP"},
                "periodSeconds": 1,
                "failureThreshold": 600,
                "successThreshold": 1,
                "timeoutSeconds": 1,
            },
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "volumeMounts": [
                {"name": "sovereignty-identity", "mountPath": "/run/sovereignty/identity", "readOnly": True},
                {"name": "sovereignty-transit", "mountPath": "/run/sovereignty/transit", "readOnly": True},
                {"name": "sovereignty-run", "mountPath": "/run/sovereignty/run"},
                {
                    "name": "sovereignty-run",
                    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                    "readOnly": True,
                },
            ],
        }
    ]
    signer = "sovereignty.dev/workload-identity"
    assert made["spec"]["volumes"] == [
        {
            "name": "sovereignty-identity",
            "projected": {
                "defaultMode": 0o444,
                "sources": [
                    {
                        "podCertificate": {
                            "signerName": signer,
                            "keyType": "ECDSAP256",
                            "credentialBundlePath": "credentials.pem",
                            "maxExpirationSeconds": 86400,
                        }
                    },
                    {
                        "clusterTrustBundle": {
                            "signerName": signer,
                            "labelSelector": {"matchLabels": {"sovereignty.dev/trust-of": "hds"}},
                            "path": "trusted.pem",
                        }
                    },
                ],
            },
        },
        {
            "name": "sovereignty-transit",
            "projected": {
                "defaultMode": 0o444,
                "sources": [
                    {
                        "configMap": {
                            "name": "sovereignty-transit.hds",
                            "items": [{"key": "listeners-with-limits.json", "path": "listeners.json"}],
                        }
                    }
                ],
            },
        },
        {"name": "sovereignty-run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]


def test_it_is_the_first_of_the_init_containers_and_nothing_else_changes() -> None:
    before = pod(app(), app("other"), initContainers=[app("first")], volumes=[{"name": "data", "emptyDir": {}}])
    made = injected(before)
    assert [each["name"] for each in made["spec"]["initContainers"]] == ["sovereignty-sidecar", "first"]
    assert [each["name"] for each in made["spec"]["volumes"]] == ["data", *VOLUMES]
    assert stripped(made) == before


def stripped(made: Json) -> Json:
    """Return a pod without the parts that injection adds."""
    rest = copy.deepcopy(made)
    assert rest["metadata"].pop("annotations") == {EXCLUDES: "sovereignty-run"}
    for field, ours in (("initContainers", (sidecar.CONTAINER,)), ("volumes", VOLUMES)):
        rest["spec"][field] = [each for each in rest["spec"][field] if each["name"] not in ours]
        if not rest["spec"][field]:
            del rest["spec"][field]
    return rest


HTTP: Json = {"path": "/healthz?full=1", "port": 8080, "scheme": "HTTP", "httpHeaders": [{"name": "A", "value": "b"}]}

REWRITTEN: dict[str, tuple[Json, Json, list[str]]] = {
    "httpGet": ({"httpGet": HTTP}, {"httpGet": HTTP | {"port": FIRST}}, ["http://:8080/healthz?full=1#A=b"]),
    "httpGet over TLS": (
        {"httpGet": HTTP | {"scheme": "HTTPS"}},
        {"httpGet": HTTP | {"port": FIRST, "scheme": "HTTP"}},
        ["https://:8080/healthz?full=1#A=b"],
    ),
    "a named port": (
        {"httpGet": HTTP | {"port": "web"}},
        {"httpGet": HTTP | {"port": FIRST}},
        ["http://:8080/healthz?full=1#A=b"],
    ),
    "no path": ({"httpGet": {"port": 8080}}, {"httpGet": {"port": FIRST}}, ["http://:8080/"]),
    "only a query": (
        {"httpGet": {"port": 80, "path": "?a"}},
        {"httpGet": {"port": FIRST, "path": "?a"}},
        ["http://:80/?a"],
    ),
    "no slash": (
        {"httpGet": {"port": 80, "path": "up"}},
        {"httpGet": {"port": FIRST, "path": "up"}},
        ["http://:80/up"],
    ),
    "tcpSocket": ({"tcpSocket": {"port": 5432}}, {"tcpSocket": {"port": FIRST}}, ["tcp://:5432"]),
    "tcpSocket by name": ({"tcpSocket": {"port": "web"}}, {"tcpSocket": {"port": FIRST}}, ["tcp://:8080"]),
    "grpc": ({"grpc": {"port": 9090, "service": "x"}}, {"grpc": {"port": FIRST, "service": "x"}}, ["grpc://:9090/x"]),
    "exec": ({"exec": {"command": ["true"]}}, {"exec": {"command": ["true"]}}, []),
    "another host": ({"httpGet": HTTP | {"host": "example.org"}}, {"httpGet": HTTP | {"host": "example.org"}}, []),
    "another host by TCP": ({"tcpSocket": {"port": 1, "host": "h"}}, {"tcpSocket": {"port": 1, "host": "h"}}, []),
    "an empty host": ({"httpGet": {"port": 1, "host": ""}}, {"httpGet": {"port": FIRST, "host": ""}}, ["http://:1/"]),
}


@pytest.mark.parametrize("field", ["startupProbe", "readinessProbe", "livenessProbe"])
@pytest.mark.parametrize(("probe", "expected", "arguments"), REWRITTEN.values(), ids=REWRITTEN.keys())
def test_a_probe_goes_through_the_sidecar(field: str, probe: Json, expected: Json, arguments: list[str]) -> None:
    timing: Json = {"periodSeconds": 3, "failureThreshold": 2}
    ports = [{"name": "other", "containerPort": 1}, {"name": "web", "containerPort": 8080}]
    made = injected(pod(app(ports=ports, **{field: probe | timing})))
    assert made["spec"]["containers"] == [app(ports=ports, **{field: expected | timing})]
    assert told(made) == arguments


@pytest.mark.parametrize("hook", ["postStart", "preStop"])
@pytest.mark.parametrize("case", ["httpGet", "httpGet over TLS", "a named port", "exec", "another host"])
def test_a_hook_goes_through_the_sidecar(hook: str, case: str) -> None:
    action, expected, arguments = REWRITTEN[case]
    ports = [{"name": "web", "containerPort": 8080}]
    made = injected(pod(app(ports=ports, lifecycle={hook: action})))
    assert made["spec"]["containers"] == [app(ports=ports, lifecycle={hook: expected})]
    assert told(made) == arguments


@pytest.mark.parametrize("hook", [{"sleep": {"seconds": 5}}, {"tcpSocket": {"port": 80}}])
def test_other_hooks_stay(hook: Json) -> None:
    """A kubelet runs no hook by TCP, although the field exists."""
    before = pod(app(lifecycle={"preStop": hook}))
    assert stripped(injected(before)) == before


def test_each_thing_that_is_asked_has_one_port() -> None:
    one = {"httpGet": {"port": "web", "path": "/up?a"}}
    same = {"httpGet": {"port": 80, "path": "/up?a"}}
    other = {"httpGet": {"port": 80, "path": "/ready"}}
    native = app("native", restartPolicy="Always", readinessProbe={"tcpSocket": {"port": 80}})
    container = app(ports=[{"name": "web", "containerPort": 80}], livenessProbe=one, readinessProbe=other)
    made = injected(pod(container, app("second", startupProbe=same), initContainers=[native]))
    assert told(made) == ["tcp://:80", "http://:80/ready", "http://:80/up?a"]
    first, second = made["spec"]["containers"]
    assert first["livenessProbe"] == {"httpGet": {"port": 15102, "path": "/up?a"}}
    assert second["startupProbe"] == {"httpGet": {"port": 15102, "path": "/up?a"}}
    assert made["spec"]["initContainers"][1]["readinessProbe"] == {"tcpSocket": {"port": 15100}}


def test_a_named_port_is_the_containers_own() -> None:
    probe = {"tcpSocket": {"port": "web"}}
    containers = [
        app(name, ports=[{"name": "web", "containerPort": port}], livenessProbe=copy.deepcopy(probe))
        for name, port in (("one", 81), ("two", 82))
    ]
    assert told(injected(pod(*containers))) == ["tcp://:81", "tcp://:82"]


MANY = [app(f"app-{port}", livenessProbe={"tcpSocket": {"port": port}}) for port in range(1, len(PROBE_PORTS) + 2)]

IMPOSSIBLE: dict[str, tuple[Json, str]] = {
    "the node's network": (pod(hostNetwork=True), "spec.hostNetwork is true"),
    "Windows": (pod(os={"name": "windows"}), "spec.os.name is windows: sidecars run on linux only"),
    "Windows by selector": (
        pod(nodeSelector={"kubernetes.io/os": "windows"}),
        "spec.nodeSelector has kubernetes.io/os=windows: sidecars run on linux only",
    ),
    "Windows by the selector of old": (
        pod(nodeSelector={"disk": "ssd", "beta.kubernetes.io/os": "windows"}),
        "spec.nodeSelector has beta.kubernetes.io/os=windows: sidecars run on linux only",
    ),
    "a reserved port": (pod(app(ports=[{"containerPort": 15006}])), "container app listens on port 15006"),
    "a reserved port of an init container": (
        pod(initContainers=[app("init", ports=[{"containerPort": 15199}])]),
        "container init listens on port 15199",
    ),
    "a probe of a reserved port": (
        pod(app(livenessProbe={"httpGet": {"port": 15100}})),
        "livenessProbe of container app asks port 15100",
    ),
    "a port that has no such name": (
        pod(app(ports=[{"name": "web", "containerPort": 80}], readinessProbe={"httpGet": {"port": "wbe"}})),
        "readinessProbe of container app names port 'wbe', which the container does not have",
    ),
    "a hook's port that has no such name": (
        pod(app(lifecycle={"preStop": {"httpGet": {"port": "web"}}})),
        "lifecycle.preStop of container app names port 'web'",
    ),
    "too many probes": (pod(*MANY), "65 different probes and hooks, and the sidecar has ports for 64"),
    "a path that Go would encode": (
        pod(app(livenessProbe={"httpGet": {"port": 1, "path": "/a b"}})),
        "percent-encoded",
    ),
    "a query that cannot be sent": (
        pod(app(livenessProbe={"httpGet": {"port": 1, "path": "/a?b c"}})),
        "livenessProbe of container app asks path '/a[?]b c': write it percent-encoded, with one slash before it",
    ),
    "a header of two lines": (
        pod(app(livenessProbe={"httpGet": {"port": 1, "httpHeaders": [{"name": "A", "value": "b\nC: d"}]}})),
        "livenessProbe of container app sends header A with unprintable characters",
    ),
    "a path that is a host": (pod(app(livenessProbe={"httpGet": {"port": 1, "path": "//a/b"}})), "with one slash"),
    "a path that is a URL": (pod(app(livenessProbe={"httpGet": {"port": 1, "path": "a:b"}})), "with one slash"),
    "a container of the sidecar's name": (pod(app("sovereignty-sidecar")), "called like the sidecar"),
    "a volume of the sidecar's name": (
        pod(volumes=[{"name": "sovereignty-run", "emptyDir": {}}]),
        "volume sovereignty-run is called like one of the sidecar's",
    ),
    "a mount of the sidecar's volume": (
        pod(app(volumeMounts=[{"name": "sovereignty-identity", "mountPath": "/x"}])),
        "container app mounts volume sovereignty-identity",
    ),
}


WINDOWS: Json = {"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}
LINUX: Json = WINDOWS | {"values": ["linux"]}
EITHER: Json = WINDOWS | {"values": ["linux", "windows"]}
ARM: Json = {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}

AFFINITIES: dict[str, tuple[list[Json], bool]] = {
    "Windows": ([{"matchExpressions": [WINDOWS]}], False),
    "Windows by the label of old": ([{"matchExpressions": [WINDOWS | {"key": "beta.kubernetes.io/os"}]}], False),
    "not Linux": ([{"matchExpressions": [LINUX | {"operator": "NotIn"}]}], False),
    "Windows in every term": ([{"matchExpressions": [ARM, WINDOWS]}, {"matchExpressions": [WINDOWS]}], False),
    "Windows, and a term that never holds": ([{"matchExpressions": [WINDOWS]}, {}], False),
    "both at once": ([{"matchExpressions": [EITHER, WINDOWS]}], False),
    "Linux": ([{"matchExpressions": [LINUX]}], True),
    "either": ([{"matchExpressions": [EITHER]}], True),
    "not Windows": ([{"matchExpressions": [WINDOWS | {"operator": "NotIn"}]}], True),
    "any that says which": ([{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "Exists"}]}], True),
    "Linux in one of the terms": ([{"matchExpressions": [WINDOWS]}, {"matchExpressions": [ARM, LINUX]}], True),
    "another label": ([{"matchExpressions": [ARM]}], True),
    "a node by name": (
        [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["w"]}]},
            {"matchExpressions": [WINDOWS]},
        ],
        True,
    ),
    "a term that never holds": ([{}], True),
}


@pytest.mark.parametrize(("terms", "taken"), AFFINITIES.values(), ids=AFFINITIES.keys())
def test_a_pod_that_no_node_with_linux_may_run_is_refused(terms: list[Json], *, taken: bool) -> None:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    before = pod(affinity={"nodeAffinity": required})
    if taken:
        assert injected(before)
        return
    with pytest.raises(CannotInjectError, match=r"requires nodes of another system than linux: sidecars run on"):
        injected(before)


def test_who_would_rather_run_on_windows_gets_a_sidecar() -> None:
    preferred = [{"weight": 1, "preference": {"matchExpressions": [WINDOWS]}}]
    assert injected(pod(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}))


# Resources of the whole pod

SHARE: Json = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
SMALL: Json = {"cpu": "100m", "memory": "64Mi"}

GROWN: dict[str, tuple[Json, Json, Json]] = {
    "requests and limits": (
        {"requests": SMALL, "limits": {"cpu": "200m", "memory": "128Mi"}},
        {"requests": SMALL},
        {"requests": {"cpu": "120m", "memory": "131072Ki"}, "limits": {"cpu": "220m", "memory": "393216Ki"}},
    ),
    "requests": ({"requests": SMALL}, {}, {"requests": {"cpu": "120m", "memory": "131072Ki"}}),
    "one of them": ({"requests": {"cpu": "1"}}, {}, {"requests": {"cpu": "1020m"}}),
    "limits alone, and nobody requests anything": (
        {"limits": {"cpu": "1", "memory": "1G"}},
        {},
        {
            "requests": {"cpu": "1020m", "memory": "1268435456"},
            "limits": {"cpu": "1020m", "memory": "1268435456"},
        },
    ),
    # The API server sums the containers' requests, including the sidecar's.
    "limits alone, and containers request": (
        {"limits": {"cpu": "1", "memory": "1Gi"}},
        {"requests": SMALL},
        {"limits": {"cpu": "1020m", "memory": "1310720Ki"}},
    ),
    "limits alone, and containers request one thing": (
        {"limits": {"cpu": "1", "memory": "1Gi"}},
        {"requests": {"cpu": "1m"}},
        {"requests": {"memory": "1310720Ki"}, "limits": {"cpu": "1020m", "memory": "1310720Ki"}},
    ),
    # Quality of service class Guaranteed.
    "requests that are the limits": (
        {"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1024Mi"}},
        {},
        {
            "requests": {"cpu": "1020m", "memory": "1310720Ki"},
            "limits": {"cpu": "1020m", "memory": "1310720Ki"},
        },
    ),
    "what the sidecar has none of": (
        {"limits": {"hugepages-2Mi": "4Mi"}},
        {},
        {"requests": {"hugepages-2Mi": "4Mi"}, "limits": {"hugepages-2Mi": "4Mi"}},
    ),
    "nothing": ({}, {}, {}),
}


@pytest.mark.parametrize(("whole", "container", "grown"), GROWN.values(), ids=GROWN.keys())
def test_what_a_pod_has_as_a_whole_grows_by_what_the_sidecar_has(whole: Json, container: Json, grown: Json) -> None:
    settings = SidecarSettings("sidecar", "Always", SHARE)
    made = inject(pod(app(resources=container), resources=whole), "hds", settings)
    assert made["spec"]["resources"] == grown
    assert sidecar_of(made)["resources"] == SHARE
    assert inject(made, "hds", settings) == made


@pytest.mark.parametrize("resources", [{}, {"requests": None, "limits": None}])
def test_a_sidecar_without_resources_shares_those_of_the_pod(resources: Json) -> None:
    whole = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
    made = inject(pod(resources=copy.deepcopy(whole)), "hds", SidecarSettings("sidecar", "Always", resources))
    assert made["spec"]["resources"] == whole


def test_limits_of_a_sidecar_count_as_its_requests() -> None:
    settings = SidecarSettings("sidecar", "Always", {"limits": {"cpu": "1"}})
    made = inject(pod(resources={"requests": {"cpu": "1"}}), "hds", settings)
    assert made["spec"]["resources"] == {"requests": {"cpu": "2"}}


@pytest.mark.parametrize("cpu", ["1e40", "-1e40", "1e999", "1e1000", "1E2147483647", "9" * 100, 1e300])
@pytest.mark.parametrize("kind", ["requests", "limits"])
def test_a_pod_with_more_than_any_quantity_is_refused_with_the_field(kind: str, cpu: Any) -> None:
    settings = SidecarSettings("sidecar", "Always", SHARE)
    with pytest.raises(CannotInjectError, match=rf"spec\.resources\.{kind}\.cpu .*2\^63"):
        inject(pod(resources={kind: {"cpu": cpu}}), "hds", settings)


# Backups


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "sovereignty-run"),
        ("", "sovereignty-run"),
        ("cache", "cache,sovereignty-run"),
        ("sovereignty-run,cache", "sovereignty-run,cache"),
        ("not-sovereignty-run", "not-sovereignty-run,sovereignty-run"),
    ],
)
def test_no_backup_offers_the_sidecars_files(before: str | None, after: str) -> None:
    made = pod()
    made["metadata"]["annotations"] = {"a": "b"} | ({} if before is None else {EXCLUDES: before})
    assert injected(made)["metadata"]["annotations"] == {"a": "b", EXCLUDES: after}
    made["metadata"]["annotations"] = None
    assert injected(made)["metadata"]["annotations"] == {EXCLUDES: "sovereignty-run"}


def restored(name: str, *volumes: str, **fields: Any) -> tuple[Json, Json]:
    """Return a pod with a sidecar, and the pod that a tool creates to restore these volumes."""
    made = injected(pod(volumes=[{"name": "data", "emptyDir": {}}]))
    mounts = [{"name": volume, "mountPath": f"/restores/{volume}"} for volume in volumes]
    waiting = app(name, volumeMounts=mounts, **fields)
    again = copy.deepcopy(made)
    again["spec"]["initContainers"].insert(0, waiting)
    return made, again


@pytest.mark.parametrize("name", ["restore-wait", "restic-wait"])
def test_a_backup_that_holds_the_sidecars_files_is_restored_without_them(name: str) -> None:
    before, again = restored(name, "data", "sovereignty-run", securityContext={"runAsUser": 1000})
    mounts = [{"name": "data", "mountPath": "/restores/data"}]
    before["spec"]["initContainers"].append(app(name, volumeMounts=mounts, securityContext={"runAsUser": 1000}))
    assert injected(again) == before
    assert injected(before) == before


def test_who_would_wait_for_nothing_but_the_sidecars_files_does_not_wait() -> None:
    before, again = restored("restore-wait", "sovereignty-run")
    again["spec"]["initContainers"][0]["volumeMounts"].append({"name": "token", "mountPath": "/var/run/secrets"})
    assert injected(again) == before


def test_a_restored_pod_without_files_of_the_sidecar_stays_as_it_is() -> None:
    before, again = restored("restore-wait", "data")
    before["spec"]["initContainers"].append(again["spec"]["initContainers"][0])
    assert injected(again) == before


def test_nobody_else_gets_at_the_sidecars_files() -> None:
    _, again = restored("restore-wait-too", "data", "sovereignty-run")
    with pytest.raises(CannotInjectError, match="container restore-wait-too mounts volume sovereignty-run"):
        injected(again)


@pytest.mark.parametrize(("before", "reason"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_cannot_be_says_what_to_change(before: Json, reason: str) -> None:
    kept = copy.deepcopy(before)
    with pytest.raises(CannotInjectError, match=reason.replace(".", r"\.")):
        injected(before)
    assert before == kept


def test_a_reserved_port_by_udp_is_nobodys_concern() -> None:
    assert injected(pod(app(ports=[{"containerPort": 15006, "protocol": "UDP"}])))


CHANGED: dict[str, Json] = {
    "env": {"env": [{"name": "HTTP_PROXY", "value": "x"}]},
    "the image": {"image": "evil"},
    "a command": {"command": ["sh"]},
    "arguments": {"args": ["--probe=http://:80/up", "--log-level=debug", "--probe=http://:81/unused"]},
    "nonsense for arguments": {"args": ["--probe=nonsense"]},
    "the service account's token": {"volumeMounts": [{"name": "kube-api-access", "mountPath": "/var/run/secrets"}]},
    "a liveness probe": {"livenessProbe": {"httpGet": {"port": 80}}},
    "the user": {"securityContext": {"runAsUser": 0}},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_what_others_changed_of_the_sidecar_is_undone(change: Json) -> None:
    before = pod(app(livenessProbe={"httpGet": {"port": 80, "path": "/up"}}))
    made = injected(before)
    if change.get("args") == ["--probe=nonsense"]:
        before = made = pod()
    spoilt = copy.deepcopy(injected(made))
    spoilt["spec"]["initContainers"][0] |= change
    spoilt["spec"]["volumes"][-1] = {"name": "sovereignty-run", "hostPath": {"path": "/"}}
    assert injected(spoilt) == injected(before)


def test_what_the_clusters_own_admission_insists_on_stays() -> None:
    """LimitRange and AlwaysPullImages check the pod again after injection, and refuse what does not comply."""
    made = injected(pod())
    insisted = {"imagePullPolicy": "Always", "resources": {"limits": {"cpu": "1"}}}
    made["spec"]["initContainers"][0] |= insisted
    assert injected(made) == made


def test_where_nothing_may_restart_the_sidecar_does_not_either() -> None:
    """The API server accepts no other resizePolicy there."""
    policies = {
        restart: sidecar_of(injected(pod(restartPolicy=restart)))["resizePolicy"][1]["restartPolicy"]
        for restart in ("Always", "OnFailure", "Never")
    }
    assert policies == {"Always": "RestartContainer", "OnFailure": "RestartContainer", "Never": "NotRequired"}


def test_the_sidecar_becomes_the_first_again() -> None:
    made = injected(pod(app(livenessProbe={"tcpSocket": {"port": 1}})))
    expected = copy.deepcopy(made)
    made["spec"]["initContainers"].insert(0, app("pushy"))
    expected["spec"]["initContainers"].append(app("pushy"))
    assert injected(made) == expected


def test_a_pod_that_was_injected_for_another_policy_goes_by_the_new_one() -> None:
    assert inject(inject(pod(), "other", SETTINGS), "hds", SETTINGS) == injected(pod())


# Random pods

PORT_NAMES = st.sampled_from(["web", "admin"])
PORTS = st.integers(1, 40) | PORT_NAMES
PATHS = st.sampled_from(["/", "/up", "/up?x=1", "up", "", "/a%20b"])
ACTIONS = st.one_of(
    st.fixed_dictionaries(
        {"port": PORTS}, optional={"path": PATHS, "scheme": st.sampled_from(["HTTP", "HTTPS"]), "host": st.just("h")}
    ).map(lambda action: {"httpGet": action}),
    st.builds(lambda port: {"tcpSocket": {"port": port}}, PORTS),
    st.builds(lambda port: {"grpc": {"port": port, "service": "s"}}, st.integers(1, 40)),
    st.just({"exec": {"command": ["true"]}}),
)


@st.composite
def containers(draw: st.DrawFn, name: str) -> Json:
    ports = [{"name": "web", "containerPort": draw(st.integers(1, 9))}, {"name": "admin", "containerPort": 10}]
    made = app(name, ports=ports, env=[{"name": "A", "value": draw(st.text(max_size=2))}])
    for field in ("startupProbe", "readinessProbe", "livenessProbe"):
        if draw(st.booleans()):
            made[field] = draw(ACTIONS) | {"periodSeconds": 7}
    if draw(st.booleans()):
        made["lifecycle"] = {"preStop": draw(ACTIONS)}
    return made


@st.composite
def pods(draw: st.DrawFn) -> Json:
    initial = [draw(containers(f"init-{number}")) for number in range(draw(st.integers(0, 2)))]
    spec: Json = {"containers": [draw(containers(f"app-{number}")) for number in range(draw(st.integers(1, 3)))]}
    if initial:
        spec["initContainers"] = [each | {"restartPolicy": "Always"} for each in initial]
    if draw(st.booleans()):
        spec["volumes"] = [{"name": "data", "emptyDir": {}}]
    return {"metadata": {"labels": {"a": "b"}}, "spec": spec}


@given(pods())
def test_to_inject_again_changes_nothing(before: Json) -> None:
    once = injected(before)
    assert injected(once) == once


@given(pods())
def test_the_patch_is_what_changes(before: Json) -> None:
    kept = copy.deepcopy(before)
    made = injected(before)
    assert before == kept
    assert jsonpatch.apply_patch(before, patch(before, made)) == made


@given(pods())
def test_no_field_but_ports_and_schemes_of_probes_changes(before: Json) -> None:
    made = stripped(injected(before))
    assert without_targets(made) == without_targets(before)


def without_targets(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: without_targets(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if key not in {"port", "scheme"}}
    return [without_targets(each) for each in value] if isinstance(value, list) else value


@given(pods())
def test_every_port_leads_where_the_kubelet_asked_before(before: Json) -> None:
    made = injected(before)
    probes = probes_of(sidecar_of(made))
    assert len(set(probes)) == len(probes)
    asked_before, asked = [*asking(before)], [*asking(stripped(made))]
    used = set()
    for (ports, old), (_, new) in zip(asked_before, asked, strict=True):
        (handler,) = set(old) & {"httpGet", "tcpSocket", "grpc", "exec"}
        if handler == "exec" or old[handler].get("host"):
            assert new == old
            continue
        port = new[handler]["port"]
        probe = sidecar.probe_ports(probes)[port]
        used.add(port)
        assert probe.port == ports.get(old[handler]["port"], old[handler]["port"])
        secure = old[handler].get("scheme") == "HTTPS"
        assert probe.kind == {"tcpSocket": "tcp", "grpc": "grpc"}.get(handler, "https" if secure else "http")
        assert new[handler].get("scheme") != "HTTPS"
    assert used == set(sidecar.probe_ports(probes))


def asking(value: Json) -> Any:
    """Yield the container's ports by name, and its probes and hooks."""
    for container in [*value["spec"].get("initContainers", ()), *value["spec"]["containers"]]:
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for field in ("startupProbe", "readinessProbe", "livenessProbe"):
            if field in container:
                yield ports, container[field]
        hook = container.get("lifecycle", {}).get("preStop", {})
        if "httpGet" in hook:
            yield ports, hook


@given(pods(), containers("late"), st.sampled_from(["append", "push", "initial"]))
def test_what_another_webhook_adds_is_taken_in_and_the_rest_stays(before: Json, late: Json, where: str) -> None:
    once = injected(before)
    added = copy.deepcopy(once)
    if where == "initial":
        added["spec"]["initContainers"].append(late | {"restartPolicy": "Always"})
    else:
        added["spec"]["containers"].insert(0 if where == "push" else len(added["spec"]["containers"]), late)
    twice = injected(added)
    known = probes_of(sidecar_of(once))
    assert probes_of(sidecar_of(twice))[: len(known)] == known
    rest = copy.deepcopy(twice)
    for field in ("initContainers", "containers"):
        rest["spec"][field] = [each for each in rest["spec"][field] if each["name"] != "late"]
    rest["spec"]["initContainers"][0]["args"] = once["spec"]["initContainers"][0]["args"]
    assert rest == once
    assert json.dumps(injected(twice)) == json.dumps(twice)
