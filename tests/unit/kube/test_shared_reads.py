"""A shared read is up to date for each caller."""

import asyncio

import pytest

from sovereign_operator.kube.client.shared_reads import SharedReads


class Server:
    """Returns how many requests it has received, once it may proceed."""

    def __init__(self) -> None:
        self.asked = 0
        self.go_on = asyncio.Event()

    async def ask(self) -> int:
        self.asked += 1
        answer = self.asked
        await self.go_on.wait()
        return answer


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_nobody_gets_an_answer_to_a_question_that_was_put_before_they_asked() -> None:
    async def run() -> None:
        reads, server = SharedReads(), Server()
        first = asyncio.create_task(reads.read("node", server.ask))
        await settle()
        later = [asyncio.create_task(reads.read("node", server.ask)) for _ in range(10)]
        await settle()
        assert server.asked == 1
        server.go_on.set()
        assert await first == 1
        assert await asyncio.gather(*later) == [2] * 10
        assert await reads.read("node", server.ask) == 3

    asyncio.run(run())


def test_other_questions_are_put_beside_it() -> None:
    async def run() -> None:
        reads, server = SharedReads(), Server()
        asked = [asyncio.create_task(reads.read(key, server.ask)) for key in "abc"]
        await settle()
        assert server.asked == 3
        server.go_on.set()
        await asyncio.gather(*asked)

    asyncio.run(run())


def test_an_error_is_everybodys_and_the_next_read_is_made_all_the_same() -> None:
    async def run() -> None:
        reads = SharedReads()

        async def fail() -> int:
            raise LookupError

        for _ in range(2):
            results = await asyncio.gather(*(reads.read("a", fail) for _ in range(3)), return_exceptions=True)
            assert [type(result) for result in results] == [LookupError] * 3

        async def succeed() -> int:
            return 1

        assert await reads.read("a", succeed) == 1

    asyncio.run(run())


def test_one_who_leaves_does_not_end_it_for_the_others() -> None:
    async def run() -> None:
        reads, server = SharedReads(), Server()
        one, other = (asyncio.create_task(reads.read("a", server.ask)) for _ in range(2))
        await settle()
        one.cancel()
        server.go_on.set()
        assert await other == 1
        with pytest.raises(asyncio.CancelledError):
            await one

    asyncio.run(run())
