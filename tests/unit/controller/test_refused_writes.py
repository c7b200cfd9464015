"""A write that the API server refuses is reported once, blocks no other write, and leaves no outdated status."""

import asyncio
from typing import Any, cast

import pytest

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD
from sovereign_operator.controller.keys import EncryptionKey
from sovereign_operator.controller.observed.sidecar_polling import FAST_SECONDS
from sovereign_operator.controller.reconcile.encryption import keep_encryption
from sovereign_operator.controller.reconcile.write_status import write_status
from sovereign_operator.core.report.report import Report
from sovereign_operator.kube.client.errors import RefusedError, UnavailableError
from tests.unit.controller.full_server import FullServer
from tests.unit.controller.objects import POLICY, namespace, pod
from tests.unit.states import controller, show


def looks(server: FullServer, times: int) -> list[float | None]:
    """Reconcile a policy repeatedly while one of its namespaces refuses the transit config."""
    objects = [namespace("full"), namespace("room")]
    state = controller({"sovereigntypolicies": [POLICY], "namespaces": objects, "pods": [pod("full"), pod("room")]})
    state.api = cast("Any", server)
    state.refusals._api = cast("Any", server)  # noqa: SLF001 - the state was built without a server
    assert state.view.sidecars
    show(state.view.sidecars.services.mirror, ())

    async def run() -> list[float | None]:
        return [await keep_encryption(state, EncryptionKey("hds")) for _ in range(times)]

    return asyncio.run(run())


@pytest.mark.parametrize("error", [RefusedError(403, "exceeded quota"), UnavailableError(500, "webhook failed")])
def test_a_namespace_that_takes_no_orders_decides_not_when_others_are_looked_at(error: Exception) -> None:
    """Open connections are ended at the second reconciliation, which a growing pause would delay."""
    server = FullServer(error)
    assert looks(server, 1) == [FAST_SECONDS]
    assert server.asked == ["full", "room", "sovereign-system"]


def test_a_refusal_is_told_once_and_not_asked_for_at_each_look() -> None:
    server = FullServer(RefusedError(403, "exceeded quota"))
    assert looks(server, 3) == [FAST_SECONDS] * 3
    assert server.asked.count("full") == 1
    (event,) = server.events
    assert (event["reason"], event["involvedObject"]["name"]) == ("NotWritten", "hds")
    assert "ConfigMap full/sovereignty-transit.hds" in event["message"]
    assert "exceeded quota" in event["message"]


def test_a_status_that_cannot_be_written_says_nothing_old_and_keeps_what_was_done() -> None:
    server = FullServer(RefusedError(500, "etcdserver: request is too large"))
    before = {"inside": 2, "run": {"uid": "job"}, "lastWrite": {"uid": "job"}, "conditions": []}
    obj = {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereignWorkload",
        "metadata": {"name": "job", "namespace": "full", "uid": "uid", "generation": 2},
        "status": before,
    }
    state = controller({"sovereignworkloads": [obj]})
    state.api = cast("Any", server)
    state.refusals._api = cast("Any", server)  # noqa: SLF001 - the state was built without a server

    async def write() -> bool:
        return await write_status(state, SOVEREIGN_WORKLOAD, "job", Report({"inside": 0}, ()), "full")

    assert not asyncio.run(write())
    assert server.patches == [
        ("job", {"metadata": {"uid": "uid"}, "status": {"inside": None, "conditions": None}}, "status")
    ]
    (event,) = server.events
    assert (event["reason"], event["involvedObject"]["name"]) == ("NotWritten", "job")
