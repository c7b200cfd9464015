"""A pod that already has a sidecar: what injection undoes, and what it keeps."""

import copy

import pytest

from sovereign_operator.core.sidecar.injection import inject
from tests.unit.sidecar.injected_pods import BY_REQUEST, SETTINGS, Json, app, injected, pod

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


def test_the_sidecar_becomes_the_first_again() -> None:
    made = injected(pod(app(livenessProbe={"tcpSocket": {"port": 1}})))
    expected = copy.deepcopy(made)
    made["spec"]["initContainers"].insert(0, app("pushy"))
    expected["spec"]["initContainers"].append(app("pushy"))
    assert injected(made) == expected


def test_a_pod_that_was_injected_for_another_policy_goes_by_the_new_one() -> None:
    assert inject(inject(pod(), "other", SETTINGS), "hds", SETTINGS) == injected(pod())


def test_a_pod_gets_its_certificate_as_those_that_are_new() -> None:
    """A restored pod, for example, may be from a time with the other setting."""
    before = inject(pod(), "hds", BY_REQUEST)
    assert injected(before) == injected(pod())
    assert inject(injected(pod()), "hds", BY_REQUEST) == before
