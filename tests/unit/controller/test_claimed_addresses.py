"""A Service may claim any address. Answers from a claimed address are not trusted as the pod's own."""

import asyncio
from typing import Any, cast

import pytest

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.controller.keys import EncryptionKey
from sovereign_operator.controller.observed.sidecar_polling import SidecarStats
from sovereign_operator.controller.reconcile.encryption import keep_encryption
from sovereign_operator.core import names
from sovereign_operator.core.encryption.rollout import ObservedEncryption
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.kube.objects.pod import see_pod
from tests.unit.controller.full_server import FullServer
from tests.unit.controller.objects import DNS, POLICY, STRICT, namespace, pod, service
from tests.unit.states import controller, show

TOLD = {
    "metadata": {
        "namespace": "sovereign-system",
        "name": sidecar.transit_config_map("hds"),
        "labels": {names.TRANSIT_LABEL: "hds"},
    },
    "data": {"mode": "Preferred", sidecar.LISTENERS_KEY: '{"version_info": "v1"}'},
}


@pytest.mark.parametrize("claimed", [True, False])
def test_a_step_does_not_go_by_what_somebody_else_may_have_said(*, claimed: bool) -> None:
    state = controller(
        {"sovereigntypolicies": [POLICY | STRICT], "namespaces": [namespace("tenant-a")], "pods": [pod("tenant-a")]}
    )
    state.api = cast("Any", FullServer(ValueError()))
    assert state.view.sidecars
    show(state.view.sidecars.services.mirror, [DNS, *[service({"externalIPs": ["10.0.0.1"]})] * claimed])
    show(state.view.sidecars.mirror, [TOLD])
    state.view.sidecars.polling._stats["tenant-a"] = SidecarStats("v1", plain_open=7)  # noqa: SLF001 - what an answer left

    async def look() -> ObservedEncryption:
        await keep_encryption(state, EncryptionKey("hds"))
        assert state.view.sidecars
        return state.view.sidecars.seen["hds"]

    seen = asyncio.run(look())
    assert seen.step.mode is EncryptionMode.PREFERRED
    waits = "; ".join(seen.step.waits_for)
    assert ("tenant-a/web (Service tenant-b/ext)" in waits) is claimed
    assert ("open plaintext connections" in waits) is not claimed
    assert "have not loaded" not in waits
    assert seen.claimed == (("tenant-a/web (Service tenant-b/ext)",) if claimed else ())
    known = state.view.sidecars.of_pods("hds", [see_pod(pod("tenant-a"))])
    assert known
    assert known.claimed == (frozenset({"web (Service tenant-b/ext)"}) if claimed else frozenset())
    assert bool(known.talking) is not claimed
