"""How long a pod waits for its namespace, and how often the API server is asked meanwhile."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from sovereign_operator.injector.ready_namespaces import CHECK_SECONDS, LONGEST_WAIT, ReadyNamespaces
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import UnavailableError
from tests.unit.virtual_time import run


class Answers:
    """Answers SubjectAccessReviews: yes from a certain time on."""

    def __init__(self, ready_at: float, *, fails: bool = False) -> None:
        self.ready_at = ready_at
        self.fails = fails
        self.asked = 0

    async def create(self, _kind: Any, review: dict[str, Any]) -> dict[str, Any]:
        assert review["spec"]["resourceAttributes"]["name"] == "ward"
        self.asked += 1
        if self.fails:
            raise UnavailableError(0, "gone")
        return {"status": {"allowed": asyncio.get_running_loop().time() >= self.ready_at}}

    def namespaces(self) -> ReadyNamespaces:
        return ReadyNamespaces(cast("Api", SimpleNamespace(create=self.create)), "own")


def waited(answers: Answers, pods: int = 1) -> float:
    """Return for how many seconds the last of some pods that come at once waits."""
    took: list[float] = []

    async def main() -> None:
        loop, namespaces = asyncio.get_running_loop(), answers.namespaces()
        await asyncio.gather(*(namespaces.until_ready("hds", "ward") for _ in range(pods)))
        took.append(loop.time())
        if answers.ready_at < LONGEST_WAIT and not answers.fails:
            asked = answers.asked
            await namespaces.until_ready("hds", "ward")
            assert answers.asked == asked, "what is known is not asked again"

    run(main())
    return took[0]


def test_a_namespace_that_is_ready_takes_one_question() -> None:
    answers = Answers(0)
    assert waited(answers) < CHECK_SECONDS
    assert answers.asked == 1


def test_all_pods_of_a_namespace_share_the_questions() -> None:
    answers = Answers(0.45)
    assert 0.45 <= waited(answers, pods=50) < 0.7
    assert answers.asked <= 6


def test_nobody_waits_longer_than_an_api_server_does() -> None:
    assert waited(Answers(60)) <= LONGEST_WAIT + CHECK_SECONDS


def test_nobody_waits_for_an_api_server_that_does_not_answer() -> None:
    answers = Answers(0, fails=True)
    assert waited(answers) < CHECK_SECONDS
    assert answers.asked == 1
