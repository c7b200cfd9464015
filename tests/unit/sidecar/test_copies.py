"""Copies of pods with a sidecar, as kubectl debug makes them: they get a sidecar, or words that mend them."""

import copy
from typing import Any

import pytest

from sovereign_operator.core.sidecar.bypass import goes_past_sidecar
from sovereign_operator.core.sidecar.injection import inject
from sovereign_operator.core.sidecar.probes import CannotInjectError
from tests.unit.sidecar.injected_pods import BY_REQUEST, SETTINGS, Json, app, injected, pod, sidecar_of, told

PROBE: Json = {"httpGet": {"port": 80, "path": "/up"}}
SIZED: Json = {"limits": {"cpu": "1", "memory": "1Gi"}}


def copied(made: Json, *, initial: bool = True, probes: bool = False, **debugger: Any) -> Json:
    """Return a copy without metadata and node, with another container: --keep-init-containers, --keep-liveness."""
    again = copy.deepcopy(made)
    again["metadata"] = {"name": "app-debug", "namespace": "hospital"}
    if not initial:
        del again["spec"]["initContainers"]
    for container in again["spec"]["containers"]:
        if not probes:
            container.pop("livenessProbe", None)
    again["spec"]["containers"].append(app("debugger-x7d2", stdin=True, tty=True, **debugger))
    return again


def test_a_copy_has_the_sidecar_without_the_probes_that_were_left_out() -> None:
    made = copied(injected(pod(app(livenessProbe=PROBE))))
    again = injected(made)
    assert told(again) == []
    assert sidecar_of(again) == sidecar_of(injected(pod()))
    assert [each["name"] for each in again["spec"]["containers"]] == ["app", "debugger-x7d2"]


def test_a_copy_keeps_the_probes_that_it_brings() -> None:
    assert told(injected(copied(injected(pod(app(livenessProbe=PROBE))), probes=True))) == ["http://:80/up"]


@pytest.mark.parametrize("settings", [SETTINGS, BY_REQUEST])
@pytest.mark.parametrize("resources", [{}, SIZED])
def test_a_copy_without_init_containers_gets_the_sidecar_again(settings: Any, resources: Json) -> None:
    before = pod(resources=resources, volumes=[{"name": "data", "emptyDir": {}}])
    made = inject(before, "hds", settings)
    again = injected(copied(made, initial=False))
    assert sidecar_of(again) == sidecar_of(injected(before))
    assert again["spec"]["volumes"] == injected(before)["spec"]["volumes"]
    # They have grown by those of the sidecar already.
    assert again["spec"]["resources"] == made["spec"]["resources"]


def test_only_its_sidecar_knows_what_the_probes_of_a_copy_ask() -> None:
    made = copied(injected(pod(app(livenessProbe=PROBE))), initial=False, probes=True)
    with pytest.raises(CannotInjectError, match=r"asks port 15100, .* --keep-init-containers=true"):
        injected(made)


@pytest.mark.parametrize("name", ["sovereignty-identity", "sovereignty-transit", "sovereignty-run"])
def test_volumes_that_somebody_else_made_are_not_taken_over(name: str) -> None:
    made = copied(injected(pod()), initial=False)
    for volume in made["spec"]["volumes"]:
        if volume["name"] == name:
            volume.clear()
            volume.update({"name": name, "emptyDir": {}})
    with pytest.raises(CannotInjectError, match="is called like one of the sidecar's"):
        injected(made)
    made["spec"]["volumes"] = [volume for volume in made["spec"]["volumes"] if volume["name"] != name]
    with pytest.raises(CannotInjectError, match="is called like one of the sidecar's"):
        injected(made)


def test_shared_processes_are_named_with_the_option_of_kubectl() -> None:
    made = injected(copied(injected(pod())))
    made["spec"]["shareProcessNamespace"] = True
    assert "kubectl debug: add --share-processes=false" in goes_past_sidecar(made["spec"])
