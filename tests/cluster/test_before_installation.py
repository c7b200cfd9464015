"""``kubectl sovereign`` on a cluster without the operator."""

import pytest

from hack.cluster import Cluster
from tests.e2e.support.client import Client

pytestmark = pytest.mark.cluster


@pytest.fixture
def client(cluster: Cluster) -> Client:
    return Client(cluster.kubeconfig)


def test_it_says_that_the_operator_may_be_installed(client: Client) -> None:
    answer = client.ask("check", "--pre")
    results = {item["check"]: item["result"] for item in answer["items"]}
    assert results.pop("NodeRestriction") == "note"
    assert set(results.values()) == {"ok"}


def test_the_check_says_that_nothing_is_installed(client: Client) -> None:
    (item,) = client.ask("check", code=1)["items"]
    assert (item["check"], item["result"]) == ("installed", "bad")
    assert "helm upgrade --install" in item["next"]


@pytest.mark.parametrize(
    "command",
    [("status",), ("nodes",), ("nodes", "declare", "paris"), ("explain", "node/paris"), ("catalogue", "diff")],
)
def test_without_the_kinds_it_says_what_to_install(client: Client, command: tuple[str, ...]) -> None:
    sentence = client.error(*command)
    assert "the operator is not installed, or its CRDs were deleted; install the chart" in sentence


def test_versions_are_told_as_far_as_there_are_any(client: Client) -> None:
    answer = client.ask("version")
    assert (answer["chart"], answer["processes"]) == ("", [])
    assert answer["server"].startswith("v1.")
    assert not any(crd["found"] for crd in answer["crds"])
