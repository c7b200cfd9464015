"""In which pods the sidecar is the only container that can have a token for the signer."""

from typing import Any

import pytest

from sovereign_operator.core import names
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.token_volume import sidecar_asks

Json = dict[str, Any]


def token(audience: str = names.SIGNER_AUDIENCE, path: str = sidecar.TOKEN) -> Json:
    return {"serviceAccountToken": {"audience": audience, "expirationSeconds": 3600, "path": path}}


def volume(*sources: Json, name: str = sidecar.IDENTITY_VOLUME) -> Json:
    return {"name": name, "projected": {"sources": [*sources]}}


def container(name: str, *volumes: str) -> Json:
    return {"name": name, "volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in volumes]}


def pod(**changes: Any) -> Json:
    spec = {
        "initContainers": [container(sidecar.CONTAINER, sidecar.IDENTITY_VOLUME)],
        "containers": [container("web", "data")],
        "volumes": [volume(token(), {"configMap": {"name": "sovereignty-trust.hds"}}), {"name": "data"}],
    }
    labels = changes.pop("labels", {names.PLACED_LABEL: "hds"})
    return {"metadata": {"name": "web", "labels": labels}, "spec": spec | changes}


def test_a_pod_as_the_injector_writes_it() -> None:
    assert sidecar_asks(pod())


def test_other_tokens_do_not_matter() -> None:
    others = volume(token("https://vault.example.org", "vault"), {"downwardAPI": {}}, name="vault")
    assert sidecar_asks(pod(volumes=[volume(token()), others]))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"initContainers": []}, id="no sidecar"),
        pytest.param({"initContainers": None}, id="no init containers at all"),
        pytest.param({"labels": {}}, id="not placed"),
        pytest.param({"labels": None}, id="no labels at all"),
        pytest.param({"volumes": None}, id="no volumes"),
        pytest.param({"volumes": [volume(token("api"))]}, id="a token for another audience"),
        pytest.param({"volumes": [volume({"podCertificate": {"signerName": names.SIGNER}})]}, id="the kubelet asks"),
        pytest.param({"volumes": [volume(token(path="other"))]}, id="another path"),
        pytest.param({"volumes": [volume(token(), token())]}, id="twice in one volume"),
        pytest.param({"volumes": [volume(token()), volume(token(), name="mine")]}, id="one more volume"),
        pytest.param({"volumes": [volume(token(), name="mine")]}, id="another volume"),
        pytest.param({"containers": [container("web", sidecar.IDENTITY_VOLUME)]}, id="the application mounts it, too"),
        pytest.param(
            {"ephemeralContainers": [container("debug", sidecar.IDENTITY_VOLUME)]}, id="an ephemeral container, too"
        ),
        pytest.param({"initContainers": [container(sidecar.CONTAINER)]}, id="the sidecar does not mount it"),
        pytest.param(
            {"initContainers": [container("first"), container(sidecar.CONTAINER, sidecar.IDENTITY_VOLUME)]},
            id="the sidecar is not the first",
        ),
    ],
)
def test_any_other_pod(changes: Json) -> None:
    assert not sidecar_asks(pod(**changes))
