"""The API server's own admission policies and the injector write the same into the same objects."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE, install
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.installation import MALLORY, OPTIONS, upgrade
from tests.e2e.support.manifests import pod
from tests.e2e.support.refused_nodes import HOST, KEPT, occupy, suspend_kept
from tests.e2e.support.sidecars import dry_run
from tests.e2e.support.spaces import Space
from tests.e2e.support.tried_objects import DAEMON_SETS, PODS, Tried

pytestmark = pytest.mark.usefixtures("changed_estate")


@pytest.fixture
def by_webhook(admin: Kubectl, cluster: Cluster) -> Iterator[Any]:
    """Return a function that has the injector place pods; the API server does again at the end."""

    def switch() -> None:
        upgrade(cluster, "--set", "placement.by=Webhook")
        admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-injector", "--timeout=90s")

    yield switch
    install(cluster, *OPTIONS)


@pytest.fixture
def tried(admin: Kubectl, mallory: Kubectl, space: Space) -> Iterator[Tried]:
    """Requests in scope of a policy with a refused node that pods have to avoid, in scope of another, and of none."""
    enforcing = space("secnumcloud")
    tried = Tried(admin, mallory, [enforcing, space("hds"), space(None)])
    tried.store()
    occupy(admin, enforcing, KEPT)
    suspend_kept(admin)
    yield tried
    tried.remove()


def spread(found: Json) -> list[Json]:
    """Return how a pod is spread over nodes, if admission has it avoid refused nodes."""
    constraints: list[Json] = found["spec"].get("topologySpreadConstraints") or []
    # Those for the same nodes that the requests bring along tolerate more.
    written = [each for each in constraints if each["topologyKey"] == HOST and each["maxSkew"] == 1]
    return constraints if written else []


def stamp_of(found: Json) -> str | None:
    """Return who asked for an object, as it would be stored."""
    stamp: str | None = (found["metadata"].get("annotations") or {}).get(names.REQUESTED_BY_ANNOTATION)
    return stamp


def test_both_ways_write_the_same(admin: Kubectl, tried: Tried, by_webhook: Any) -> None:
    by_policy = tried.outcomes()
    by_webhook()
    assert not admin.list("mutatingadmissionpolicies", selector=names.GUARD_SELECTOR)
    asks = pod("asks", labels={names.POLICY_LABEL: "secnumcloud"})
    eventually(
        lambda: spread(dry_run(admin, asks, "default")), what="an injector that places, and has pods avoid a node"
    )
    again = tried.outcomes()
    assert len(again) == len(by_policy)
    differing = [pair for pair in zip(by_policy, again, strict=True) if pair[0] != pair[1]]
    assert not differing, json.dumps(differing[:3])

    found = [each for each in again if each]
    kinds = Counter(each["kind"] for each in found)
    assert kinds["Pod"] > PODS / 4
    assert kinds["DaemonSet"] > DAEMON_SETS
    pods = [each for each in found if each["kind"] == "Pod"]
    avoiding = Counter(len(spread(each)) for each in pods)
    # The constraint alone, beside one that a pod brings along, and none.
    assert avoiding[1] > PODS / 20
    assert avoiding[2]
    assert avoiding[0] > PODS / 20
    for kind in ("SovereignWorkload", "Derogation"):
        stamps = {stamp_of(each) for each in found if each["kind"] == kind}
        # One that was touched alone keeps its stamp, which the cluster's admin has.
        assert {MALLORY} < stamps - {"", None}
        assert "somebody-else" not in stamps
    assert "" in {stamp_of(each) for each in found if each["kind"] == "Derogation"}
