"""What polling sidecars costs the controller: seconds of CPU for a round, by their number. It needs no cluster.

``python -m hack.bench.polling`` polls as the controller does: every sidecar has an address of its own (127.1.0.0/16),
and one HTTP server in another process answers for all with Envoy's statistics. The ratio compares with a tenth of the
sidecars: 10 means that the cost of each does not grow with their number.
"""

import asyncio
import itertools
import json
import multiprocessing
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from socket import create_connection

from aiohttp import web

from sovereign_operator.controller.observed.sidecar_polling import (
    FAST_SECONDS,
    PLAIN,
    SLOW_SECONDS,
    VERSION,
    SidecarPolling,
)
from sovereign_operator.core.sidecar.contract import INBOUND_PORT, OUTBOUND_PORT, REDIRECTED_PORT, STATE_PATH
from sovereign_operator.core.workload.facts import WorkloadPod
from sovereign_operator.kube.objects.pod import ObservedPod

NUMBERS = (200, 2000)
LISTENERS = (INBOUND_PORT, OUTBOUND_PORT)
REFUSALS = ("cx_overflow", "global_cx_overflow", "cx_overload_reject")
LOOK_SECONDS = 0.02
EACH_NETWORK = 250
STARTED_SECONDS = 30
ROUND_SECONDS = 120


def answer() -> None:
    """Answer as sidecars do, until the process is ended."""
    stats = [
        {"name": VERSION, "value": "1"},
        {"name": f"{PLAIN}active", "value": 0},
        {"name": f"{PLAIN}total", "value": 3},
        *({"name": f"listener.[__]_{port}.downstream_{why}", "value": 0} for port in LISTENERS for why in REFUSALS),
        {"name": "overload.envoy.load_shed_points.tcp_proxy_on_data.shed_load_count", "value": 0},
    ]
    body = json.dumps({"stats": stats}).encode()

    async def state(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get(STATE_PATH, state)
    # A socket has one address or all of them, and the sidecars have thousands.
    web.run_app(app, host="0.0.0.0", port=REDIRECTED_PORT, print=None, access_log=None)  # noqa: S104


def pod(number: int) -> ObservedPod:
    """Return a pod with a sidecar."""
    name = f"pod-{number}"
    address = f"127.1.{number // EACH_NETWORK}.{number % EACH_NETWORK + 1}"
    return ObservedPod(
        "bench",
        WorkloadPod(name, name, "node"),
        labels={},
        annotations={},
        static=False,
        ended=False,
        terminating=False,
        bundles=frozenset(),
        transit="bench",
        addresses=(address,),
    )


async def cpu_of_a_round(number: int) -> float:
    """Return the seconds of CPU of this process for one poll of each of so many sidecars."""
    pods, answers, all_answered = [pod(each) for each in range(number)], itertools.count(1), asyncio.Event()

    def changed(_policy: str) -> None:
        # The first answer of a sidecar always differs from none.
        if next(answers) == number:
            all_answered.set()

    polling = SidecarPolling(lambda: datetime.now(UTC), lambda: pods, changed, lambda _pod: "")
    used = time.process_time()
    task = asyncio.create_task(polling.run())
    async with asyncio.timeout(ROUND_SECONDS):
        await all_answered.wait()
    taken = time.process_time() - used
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return taken


def wait_for_the_server() -> None:
    """Wait until it accepts connections. Raises TimeoutError."""
    deadline = time.monotonic() + STARTED_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), closing(create_connection(("127.1.0.1", REDIRECTED_PORT))):
            return
        time.sleep(LOOK_SECONDS)
    raise TimeoutError("the server did not start")


def main() -> None:
    """Print the figures."""
    server = multiprocessing.Process(target=answer, daemon=True)
    server.start()
    try:
        wait_for_the_server()
        taken = {number: asyncio.run(cpu_of_a_round(number)) for number in NUMBERS}
    finally:
        server.terminate()
        server.join()
    for number, cpu in taken.items():
        shares = " and ".join(
            f"{100 * cpu / seconds:.1f} % of a CPU while {what}"
            for seconds, what in ((SLOW_SECONDS, "nothing waits for them"), (FAST_SECONDS, "a step does"))
        )
        print(f"{number:5} sidecars: {1000 * cpu / number:.2f} ms of CPU for each poll; {shares}")
    few, many = taken.values()
    print(f"ratio {many / few:.1f}")


if __name__ == "__main__":
    main()
