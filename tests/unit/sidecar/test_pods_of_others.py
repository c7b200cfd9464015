"""Pods of operators and of Kubernetes' documentation get a sidecar and stay as they were, or are told what to change.

Each check goes through all pods at once: one test for each would cost more than all that they check.
"""

import copy
from collections.abc import Iterator, Mapping

from sovereign_operator.core.sidecar.contract import probe_ports, probes_of
from sovereign_operator.core.sidecar.injection import inject
from sovereign_operator.core.workload.refusal import Hold, admit
from tests.pods_of_others import REFUSED, as_pod, list_pods, without_targets
from tests.unit.sidecar.injected_pods import SETTINGS, Json, injected, sidecar_of, stripped

HOLD = Hold("hds", enforced=True, known=True, encrypts=True, settings=SETTINGS)
REMEDIES = ("leave ", "choose another", "run the pod where no policy with encryption is in effect")
"""One of these says what to do."""


def accepted() -> Iterator[tuple[str, Json]]:
    yield from ((name, as_pod(spec)) for name, spec in list_pods().items() if name not in REFUSED)


def test_there_are_pods_of_every_source() -> None:
    sources = {name.partition("/")[0] for name in list_pods()}
    assert sources == {
        "cloudnative-pg",
        "documentation",
        "eck",
        "ingress-nginx",
        "keycloak",
        "redis-operator",
        "strimzi",
        "velero",
    }
    assert len(list_pods()) > 65
    assert set(REFUSED) <= set(list_pods())


def test_every_refusal_is_known_and_says_what_to_do() -> None:
    said = {name: admit(as_pod(spec), HOLD).refused for name, spec in list_pods().items()}
    assert {name: words for name, words in said.items() if words and name not in REFUSED} == {}
    for name, words in REFUSED.items():
        assert words in said[name], name
        assert any(remedy in said[name] for remedy in REMEDIES), said[name]


def test_what_is_not_refused_is_as_before_but_for_the_ports_of_probes() -> None:
    for name, before in accepted():
        kept = copy.deepcopy(before)
        made = injected(before)
        assert before == kept, name
        assert injected(made) == made, name
        assert _without_room(without_targets(stripped(made))) == _without_room(without_targets(before)), name


def test_every_probe_leads_where_it_led() -> None:
    for name, before in accepted():
        made = injected(before)
        ports = probe_ports(probes_of(sidecar_of(made)))
        pairs = list(zip(_actions(before), _actions(stripped(made)), strict=True))
        for (named, old), (_, new) in pairs:
            assert ports[new["port"]].port == named.get(old["port"], old["port"]), name
            assert ports[new["port"]].path.partition("?")[0] == old.get("path", "/"), name
            assert (ports[new["port"]].kind == "https") == (old.get("scheme") == "HTTPS"), name


def test_no_profile_of_the_application_confines_the_sidecar() -> None:
    pod = as_pod(list_pods()["documentation/pods/security/apparmor/hello-apparmor.yaml"])
    assert sidecar_of(injected(pod))["securityContext"]["appArmorProfile"] == {"type": "RuntimeDefault"}
    for profile in ({"type": "RuntimeDefault"}, {"type": "Unconfined"}):
        pod["spec"]["securityContext"] = {"appArmorProfile": profile}
        assert "appArmorProfile" not in sidecar_of(inject(pod, "hds", SETTINGS))["securityContext"]


def _actions(pod: Json) -> Iterator[tuple[Mapping[str, int], Json]]:
    """Yield where kubelets send the probes of a pod, each with the ports of its container by name."""
    for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]:
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", ()) if "name" in port}
        for field in ("startupProbe", "readinessProbe", "livenessProbe"):
            for handler in ("httpGet", "tcpSocket", "grpc"):
                if action := container.get(field, {}).get(handler):
                    yield ports, action


def _without_room(pod: Json) -> Json:
    """Return a pod without the resources that it has as a whole, to which those of the sidecar are added."""
    return pod | {"spec": {key: value for key, value in pod["spec"].items() if key != "resources"}}
