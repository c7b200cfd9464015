"""Properties of injection, for random pods."""

import copy
import json
from typing import Any

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import probes_of
from sovereign_operator.core.sidecar.json_patch import patch
from tests.pods_of_others import without_targets
from tests.unit.sidecar.injected_pods import Json, app, injected, sidecar_of, stripped

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
