"""A sidecar that gets its certificates from the signer: Envoy starts with the first, and loads those that follow."""

import json
import signal
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from hack.dataplane.pods import PATIENCE, Pod, Road, memory_cgroup
from hack.kubectl import eventually
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane.admin import CERTIFICATES_QUERY
from sovereign_operator.pki import certificates
from tests.dataplane.admin import ask
from tests.dataplane.links import APP_PORT
from tests.dataplane.roads import BREST, SECRET, STRICT
from tests.dataplane.talk import Echo, Steady, refused, said
from tests.dataplane.tokens import give_token, serve_at
from tests.stand_in_signer import AUTHORITY, StandInSigner, issues, refuses


def loaded(pod: Pod) -> set[int]:
    """Return the serial numbers of the certificates that Envoy uses."""
    status, shown = ask(pod, "GET", CERTIFICATES_QUERY)
    assert status == HTTPStatus.OK
    found: list[dict[str, Any]] = json.loads(shown)["certificates"]
    return {int(each["serial_number"], 16) for one in found for each in one.get("cert_chain", ())}


def written(pod: Pod) -> int:
    """Return the serial number of the certificate in the pod."""
    path = pod.folder / "run" / "identity" / sidecar.CREDENTIALS
    return certificates.read(path.read_bytes())[0].serial_number


@pytest.fixture
def trusting(pods: Road) -> Road:
    """The client trusts the authority of the server, which gets its certificate from a signer."""
    pods.client.certify(BREST, [BREST, AUTHORITY])
    (pods.server.folder / "identity" / sidecar.CREDENTIALS).unlink()
    for pod in (pods.client, pods.server):
        pod.tell(STRICT)
    return pods


@pytest.fixture
def group() -> Iterator[Path]:
    with memory_cgroup(sidecar.LEAST_MEMORY) as made:
        yield made


def start(pods: Road, address: str) -> None:
    give_token(pods.server, address)
    for pod in (pods.client, pods.server):
        pod.start()
        pods.until_ready(pod)


@pytest.mark.usefixtures("echo")
def test_no_connection_is_lost_while_envoy_loads_one_certificate_after_the_other(trusting: Road) -> None:
    signer = StandInSigner(*[issues(refresh_seconds=2)] * 3, issues())
    pod = trusting.server
    with signer.serve(bound=serve_at(pod)) as address:
        start(trusting, address)
        first = written(pod)
        eventually(lambda: loaded(pod) == {first}, seconds=PATIENCE, what="the first certificate")
        with Steady(trusting.client.net, pod.address, APP_PORT) as traffic:
            eventually(lambda: signer.count == 4, seconds=PATIENCE, what="the last request")
            eventually(lambda: loaded(pod) == {written(pod)} != {first}, seconds=PATIENCE, what="the last certificate")
            traffic.goes_on()
        assert traffic.failures == []
    pod.stop()


def test_it_accepts_nothing_before_it_has_a_certificate(trusting: Road, echo: Echo) -> None:
    """Nor does it listen, so that its pod does not start."""
    signer = StandInSigner(refuses(503, "UnknownPolicy", retry_after="1"))
    pod = trusting.server
    with signer.serve(bound=serve_at(pod)) as address:
        trusting.client.start()
        give_token(pod, address)
        pod.start()
        signer.next_request()
        assert refused(trusting.node, pod.address, sidecar.REDIRECTED_PORT)
        signer.answers.append(issues())
        trusting.until_ready(pod)
    assert said(trusting.client.net, pod.address, APP_PORT, SECRET) == SECRET
    assert not (pod.folder / "run" / "identity" / "credentials.new").exists()
    assert echo.heard


@pytest.mark.usefixtures("echo")
def test_renewals_fit_into_the_least_memory(trusting: Road, group: Path) -> None:
    signer = StandInSigner(issues(refresh_seconds=1))
    pod = trusting.server
    pod.cgroup = group
    with signer.serve(bound=serve_at(pod)) as address:
        start(trusting, address)
        for _ in range(6):
            assert signer.next_request().public_key
            assert said(trusting.client.net, pod.address, APP_PORT, SECRET) == SECRET
        assert pod.envoy
        assert pod.envoy.poll() is None
        # What the kernel kills for memory ends with this signal.
        assert f"ended with status -{signal.SIGKILL}" not in (pod.folder / "log").read_text()
        pod.stop()
