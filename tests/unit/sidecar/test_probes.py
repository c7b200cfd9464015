"""Probes and hooks of a kubelet go through the sidecar: which ports they get, and what the sidecar then asks."""

import copy

import pytest

from sovereign_operator.core.sidecar.contract import PROBE_PORTS
from tests.unit.sidecar.injected_pods import Json, app, injected, pod, stripped, told

FIRST = PROBE_PORTS[0]

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
