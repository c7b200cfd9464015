import asyncio
import os
import signal

from sovereign_operator.runtime.stopping import until_stopped


def test_a_second_signal_does_not_cut_the_clean_up_short() -> None:
    """A kubelet may send SIGTERM again; if the Lease is not released, the next replica has to wait for it."""
    cleaned: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            # The loop handles the signal before it resumes this coroutine.
            for _ in range(3):
                await asyncio.sleep(0)
            cleaned.append("handed over")

    async def run() -> bool:
        return await asyncio.wait_for(until_stopped(work()), 10)

    assert asyncio.run(run())
    assert cleaned == ["handed over"]
