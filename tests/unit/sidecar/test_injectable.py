"""Pods that cannot have a sidecar are refused, with a sentence that says what to change."""

import copy
from dataclasses import replace

import pytest

from sovereign_operator.core.sidecar.contract import PROBE_PORTS
from sovereign_operator.core.sidecar.injection import inject
from sovereign_operator.core.sidecar.namespace_facts import NamespaceFacts
from sovereign_operator.core.sidecar.probes import CannotInjectError
from tests.unit.sidecar.injected_pods import SETTINGS, Json, app, injected, pod

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


@pytest.mark.parametrize(("before", "reason"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_cannot_be_says_what_to_change(before: Json, reason: str) -> None:
    kept = copy.deepcopy(before)
    with pytest.raises(CannotInjectError, match=reason.replace(".", r"\.")):
        injected(before)
    assert before == kept


SANDBOXED: dict[str, tuple[str, dict[str, str], str]] = {
    "gVisor": ("gvisor", {"gvisor": "runsc"}, "whose handler runsc is a sandbox"),
    "Kata": ("isolated", {"isolated": "kata-qemu-tdx"}, "whose handler kata-qemu-tdx is a sandbox"),
    "a shim by its type": ("a", {"a": "io.containerd.runsc.v1"}, "whose handler io.containerd.runsc.v1 is a sandbox"),
    "not seen yet": ("kata-cc-isolation", {}, "whose handler kata-cc-isolation is a sandbox"),
    "listed": ("boxed", {"boxed": "vm"}, "which is a sandbox (encryption.sandboxes in the chart's values)"),
    "a GPU": ("nvidia", {"nvidia": "nvidia"}, ""),
    "another runtime": ("crun", {"crun": "crun"}, ""),
    "called like one": ("katana", {"katana": "runc"}, ""),
    "named like one": ("gvisor", {"gvisor": "runc"}, ""),
    "none": ("", {}, ""),
}


@pytest.mark.parametrize(("name", "handlers", "says"), SANDBOXED.values(), ids=SANDBOXED.keys())
def test_a_pod_in_a_sandbox_is_refused(name: str, handlers: dict[str, str], says: str) -> None:
    before = pod(**({"runtimeClassName": name} if name else {}))
    settings, around = replace(SETTINGS, sandboxes=frozenset({"boxed"})), NamespaceFacts(handlers=handlers)
    if not says:
        assert inject(before, "hds", settings, around)["spec"].get("runtimeClassName", "") == name
        return
    with pytest.raises(CannotInjectError) as refused:
        inject(before, "hds", settings, around)
    assert str(refused.value).startswith(f"spec.runtimeClassName is {name}, {says}")
    assert "leave spec.runtimeClassName out, or run the pod where no policy" in str(refused.value)


def test_a_reserved_port_by_udp_is_nobodys_concern() -> None:
    assert injected(pod(app(ports=[{"containerPort": 15006, "protocol": "UDP"}])))
