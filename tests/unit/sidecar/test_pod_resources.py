"""Resources that a pod has as a whole grow by those of the sidecar."""

import copy
from typing import Any

import pytest

from sovereign_operator.core.sidecar.injection import SidecarSettings, inject
from sovereign_operator.core.sidecar.probes import CannotInjectError
from tests.unit.sidecar.injected_pods import Json, app, pod, sidecar_of

SHARE: Json = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
SMALL: Json = {"cpu": "100m", "memory": "64Mi"}

GROWN: dict[str, tuple[Json, Json, Json]] = {
    "requests and limits": (
        {"requests": SMALL, "limits": {"cpu": "200m", "memory": "128Mi"}},
        {"requests": SMALL},
        {"requests": {"cpu": "120m", "memory": "131072Ki"}, "limits": {"cpu": "300m", "memory": "393216Ki"}},
    ),
    "requests": ({"requests": SMALL}, {}, {"requests": {"cpu": "120m", "memory": "131072Ki"}}),
    "one of them": ({"requests": {"cpu": "1"}}, {}, {"requests": {"cpu": "1020m"}}),
    "limits alone, and nobody requests anything": (
        {"limits": {"cpu": "1", "memory": "1G"}},
        {},
        {
            "requests": {"cpu": "1250m", "memory": "1268435456"},
            "limits": {"cpu": "1250m", "memory": "1268435456"},
        },
    ),
    # The API server sums the containers' requests, including the sidecar's.
    "limits alone, and containers request": (
        {"limits": {"cpu": "1", "memory": "1Gi"}},
        {"requests": SMALL},
        {"limits": {"cpu": "1250m", "memory": "1310720Ki"}},
    ),
    "limits alone, and containers request one thing": (
        {"limits": {"cpu": "1", "memory": "1Gi"}},
        {"requests": {"cpu": "1m"}},
        {"requests": {"memory": "1310720Ki"}, "limits": {"cpu": "1250m", "memory": "1310720Ki"}},
    ),
    # Quality of service class Guaranteed.
    "requests that are the limits": (
        {"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1024Mi"}},
        {},
        {
            "requests": {"cpu": "1250m", "memory": "1310720Ki"},
            "limits": {"cpu": "1250m", "memory": "1310720Ki"},
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
    settings = SidecarSettings("sidecar", "Always", SHARE, by_token=True)
    made = inject(pod(app(resources=container), resources=whole), "hds", settings)
    assert made["spec"]["resources"] == grown
    assert sidecar_of(made)["resources"] == SHARE
    assert inject(made, "hds", settings) == made


@pytest.mark.parametrize("resources", [{}, {"requests": None, "limits": None}])
def test_a_sidecar_without_resources_shares_those_of_the_pod(resources: Json) -> None:
    whole = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
    settings = SidecarSettings("sidecar", "Always", resources, by_token=True)
    made = inject(pod(resources=copy.deepcopy(whole)), "hds", settings)
    assert made["spec"]["resources"] == whole


def test_limits_of_a_sidecar_count_as_its_requests() -> None:
    settings = SidecarSettings("sidecar", "Always", {"limits": {"cpu": "1"}}, by_token=True)
    made = inject(pod(resources={"requests": {"cpu": "1"}}), "hds", settings)
    assert made["spec"]["resources"] == {"requests": {"cpu": "2"}}


@pytest.mark.parametrize("cpu", ["1e40", "-1e40", "1e999", "1e1000", "1E2147483647", "9" * 100, 1e300])
@pytest.mark.parametrize("kind", ["requests", "limits"])
def test_a_pod_with_more_than_any_quantity_is_refused_with_the_field(kind: str, cpu: Any) -> None:
    settings = SidecarSettings("sidecar", "Always", SHARE, by_token=True)
    with pytest.raises(CannotInjectError, match=rf"spec\.resources\.{kind}\.cpu .*2\^63"):
        inject(pod(resources={kind: {"cpu": cpu}}), "hds", settings)
