"""What a pod requests, as the scheduler counts it."""

from decimal import Decimal
from typing import Any

import pytest

from sovereign_operator.core.kubernetes.requests import requests_of


def container(cpu: str, **fields: Any) -> dict[str, Any]:
    """Build a container that requests this much."""
    return {"resources": {"requests": {"cpu": cpu}}} | fields


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container("100m"), container("0.2")]}, "0.3"),
        ({"initContainers": [container("1")], "containers": [container("100m")]}, "1"),
        ({"initContainers": [container("1", restartPolicy="Always")], "containers": [container("1")]}, "2"),
        (
            {
                "initContainers": [container("1", restartPolicy="Always"), container("3")],
                "containers": [container("1")],
            },
            "4",
        ),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "3"}}}, "3"),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, "1.25"),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}, "2"),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}]}, "1"),
        ({"containers": [container("1")], "resources": {"limits": {"cpu": "3"}}}, "1"),
        ({"containers": [{}], "resources": {"limits": {"cpu": "3"}}}, "3"),
    ],
)
def test_what_a_pod_requests(spec: dict[str, Any], cpu: str) -> None:
    assert requests_of(spec) == {"cpu": Decimal(cpu)}


def test_a_pod_that_requests_nothing_fits_anywhere() -> None:
    assert requests_of({"containers": [{}]}) == {}


def test_a_pod_that_requests_more_than_can_be_read_fits_nowhere() -> None:
    """Any user may create such a pod. It must not keep the controller from counting others."""
    assert requests_of({"containers": [container("1e1000"), container("1")]})["cpu"] > 2**62
