"""A mirror lists again after the API server's store was restored from a backup: its versions have gone back.

An API server accepts a watch from a version that it has not reached, and sends nothing until it has.
"""

import asyncio

import pytest

from sovereign_operator.kube.client.api import WATCH_SECONDS
from sovereign_operator.kube.client.errors import AheadError, GoneError, from_status
from sovereign_operator.kube.mirror import OUTAGE_SECONDS
from tests.unit import virtual_time
from tests.unit.kube.stored import Store, ended, mirrored


@pytest.mark.parametrize(
    ("seconds", "writes"),
    [
        (0.1, 0),
        (0.1, 1),
        (0.1, 90),
        *((OUTAGE_SECONDS * times, writes) for times in (2, 10, 200) for writes in (0, 90, 400)),
    ],
)
def test_what_was_lost_and_what_comes_after_is_seen_within_a_minute(seconds: float, writes: int) -> None:
    """Even if so much was written meanwhile that the store has come past the version that the mirror knows."""

    async def main() -> None:
        store = Store()
        await store.write("before")
        mirror, task = await mirrored(store)
        kept = dict(store.objects)
        for number in range(100):
            await store.write(f"lost-{number}")
        await store.write("before", gone=True)
        await asyncio.sleep(1)
        assert len(mirror) == 100
        await store.end()
        await asyncio.sleep(seconds)
        await store.restore(1, kept)
        for number in range(writes):
            await store.write(f"busy-{number % 7}")
        await asyncio.sleep(50)
        await store.write("after")
        await asyncio.sleep(1)
        assert {name for _, name in mirror} == store.objects.keys()
        await ended(task)

    virtual_time.run(main())


def test_a_watch_that_ends_or_breaks_off_goes_on_where_it_was() -> None:
    """Lists are dear: after each restart of one of several API servers, all processes would ask for everything."""

    async def main() -> None:
        store = Store()
        await store.write("one")
        mirror, task = await mirrored(store)
        await asyncio.sleep(10 * WATCH_SECONDS)
        await store.end()
        await asyncio.sleep(OUTAGE_SECONDS / 4)
        store.up = True
        await asyncio.sleep(60)
        await store.write("two")
        await asyncio.sleep(1)
        assert {name for _, name in mirror} == {"one", "two"}
        assert store.lists == 1
        assert store.answers >= 10
        await ended(task)

    virtual_time.run(main())


def test_an_api_server_that_has_not_reached_a_version_has_it_list_again() -> None:
    said = "Timeout: Too large resource version: 1500, current: 1000"
    assert isinstance(from_status(504, said), AheadError)
    assert issubclass(AheadError, GoneError)
    assert not isinstance(from_status(504, "Timeout: request did not complete within the allotted timeout"), GoneError)
