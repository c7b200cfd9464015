"""Any pod may connect to the operator's processes. A flood from one must neither end a process nor block new pods."""

import json

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import living_pods
from tests.e2e.support.peers import PYTHON
from tests.e2e.support.sidecars import dry_run, sidecar_of
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import python, ready, said

FLOOD = r"""
import asyncio, ssl, sys

context = ssl._create_unverified_context()
HEAD = b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
LISTS = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","x":[' + b"[]," * 7_000_000 + b"[]]}"
POD = (
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","namespace":"nowhere",'
    b'"operation":"CREATE","kind":{"group":"","version":"v1","kind":"Pod"},"object":{"metadata":{"labels":'
    b'{"sovereignty.dev/policy":"nobody"}},"spec":{"containers":[],"x":[' + b"{}," * 49_900 + b"257," * 80_000
    + b"257]}}}}"
)
WIDE = b'{"x":"\xf0\x9f\x98\x80' + b"x" * 23_000_000 + b'"}'
KINDS = {
    "8443": [
        ("idle", 1700, False, b""),
        ("no question", 100, True, b""),
        ("slow head", 100, True, b"POST /inject HTTP/1.1\r\n"),
        ("slow body", 150, True, HEAD % 500_000 + b"["),
        ("unfinished", 8, True, HEAD % 24_000_000 + b"[" * 23_000_000),
        ("of unknown length", 8, True, HEAD.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked")
         + b"fffff\r\n" + b"[" * 0xfffff),
        ("lists", 8, True, HEAD % len(LISTS) + LISTS),
        ("wide", 8, True, HEAD % len(WIDE) + WIDE),
        ("pods", 60, True, HEAD % len(POD) + POD),
        ("pipelined", 8, True, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100_000),
    ],
    "8080": [
        ("idle", 1700, False, b""),
        ("slow head", 150, False, b"GET /metrics HTTP/1.1\r\n"),
        ("reads nothing", 150, False, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200),
        ("unfinished", 8, False, HEAD % 24_000_000 + b"[" * 23_000_000),
    ],
}

async def one(target, secured, message):
    host, _, port = target.rpartition(":")
    try:
        async with asyncio.timeout(HOLD):
            # Next to nothing is read.
            _, writer = await asyncio.open_connection(host, port, ssl=context if secured else None, limit=1)
            try:
                for begin in range(0, len(message), 65536):
                    writer.write(message[begin:begin + 65536])
                    await writer.drain()
                await asyncio.sleep(HOLD)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        pass

HOLD = 8
async def main():
    rounds = 0
    while True:
        await asyncio.gather(*(
            one(target, secured, message)
            for target in sys.argv[1:]
            for _, number, secured, message in KINDS[target.rpartition(":")[2]]
            for _ in range(number)
        ))
        rounds += 1
        print("flooded", rounds, flush=True)

asyncio.run(main())
"""
"""Floods of every kind that a client can send that may open connections, many at a time."""
ROUNDS = 3
MOST_QUESTIONS = 1000
"""Many more than fit into that many rounds."""
ASKED = json.dumps(pod("one"))


def endings(admin: Kubectl) -> dict[str, tuple[int, Json]]:
    """Return how often each process was restarted, and its last state."""
    return {
        found["metadata"]["name"]: (container["restartCount"], container["lastState"])
        for found in processes(admin)
        for container in found["status"]["containerStatuses"]
    }


def processes(admin: Kubectl) -> list[Json]:
    """Return the operator's running pods, without those of completed Jobs."""
    return living_pods(admin, NAMESPACE, "app.kubernetes.io/name=sovereign-operator")


def component(found: Json) -> str:
    """Return the name of the process that a pod runs."""
    return str(found["metadata"]["labels"]["app.kubernetes.io/component"])


@pytest.fixture
def targets(admin: Kubectl) -> list[str]:
    """Return the addresses to flood: the webhook port of each injector, and the health and metrics port of one pod per
    process.
    """
    one_of_each = {component(found): found["status"]["podIP"] for found in processes(admin)}
    injectors = [found["status"]["podIP"] for found in processes(admin) if component(found) == "injector"]
    return [*(f"{address}:8080" for address in one_of_each.values()), *(f"{address}:8443" for address in injectors)]


def test_a_flood_from_a_pod_without_rights_costs_nobody_a_sidecar_and_ends_no_process(
    admin: Kubectl, cluster: Cluster, space: Space, transit: str, targets: list[str]
) -> None:
    cluster.load_image(public.archive(PYTHON))
    outside, encrypting = space(None), space(transit)
    assert sidecar_of(dry_run(admin, pod("one"), encrypting))
    before = endings(admin)
    admin.create(python("flood", "nantes-1", FLOOD, *targets), outside)
    ready(admin, outside, "flood")
    refused: list[str] = []
    answered = 0
    while f"flooded {ROUNDS}" not in said(admin, outside, "flood"):
        answer = admin.attempt("-n", encrypting, "create", "--dry-run=server", "-o", "name", "-f", "-", stdin=ASKED)
        assert len(refused) + answered < MOST_QUESTIONS, "the flood has ended by itself"
        answered += not answer.returncode
        refused += [answer.stderr] if answer.returncode else []
    assert endings(admin) == before
    # The flood uses the same processors as everything else here, so some answers come too late. Where a flood succeeds,
    # about half of the requests are refused.
    assert len(refused) <= answered / 4, f"{answered} were answered, and these refused: {refused}"
