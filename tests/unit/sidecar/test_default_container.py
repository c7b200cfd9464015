"""kubectl chooses a container of a pod as silently as before: https://github.com/kubernetes/kubernetes/issues/96986."""

import pytest

from tests.unit.sidecar.injected_pods import DEFAULT, Json, app, injected, pod


def default_of(made: Json) -> str | None:
    found: str | None = made["metadata"]["annotations"].get(DEFAULT)
    return found


def test_the_only_container_is_the_one_that_kubectl_means() -> None:
    made = injected(pod(app("web")))
    assert default_of(made) == "web"
    assert injected(made) == made


@pytest.mark.parametrize(
    "before", [pod(app("web"), app("log")), pod(app("web"), initContainers=[app("first")])], ids=["others", "initial"]
)
def test_where_kubectl_said_what_it_chose_it_goes_on(before: Json) -> None:
    assert default_of(injected(before)) is None


def test_what_the_pod_names_itself_stays() -> None:
    before = pod(app("web"))
    before["metadata"]["annotations"] = {DEFAULT: "debugger"}
    assert default_of(injected(before)) == "debugger"
