"""How long a pod waits for its policy and its namespace, and how often the API server is asked meanwhile."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sovereign_operator.injector.ready_namespaces import CHECK_SECONDS, LONGEST_WAIT, ReadyNamespaces
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import UnavailableError
from tests.unit.virtual_time import run


class Answers:
    """Answers SubjectAccessReviews: yes from a certain time on, about the namespace and about the policy."""

    def __init__(self, ready_at: float, *, encrypts_at: float = 0, fails: bool = False) -> None:
        self.ready_at = ready_at
        self.encrypts_at = encrypts_at
        self.fails = fails
        self.asked = 0

    async def create(self, _kind: Any, review: dict[str, Any]) -> dict[str, Any]:
        about = review["spec"]["resourceAttributes"]
        since = {("certify", "ward"): self.ready_at, ("encrypt", "hds"): self.encrypts_at}[about["verb"], about["name"]]
        self.asked += 1
        if self.fails:
            raise UnavailableError(0, "gone")
        return {"status": {"allowed": asyncio.get_running_loop().time() >= since}}

    def namespaces(self) -> ReadyNamespaces:
        return ReadyNamespaces(cast("Api", SimpleNamespace(create=self.create)), "own")


def waited(answers: Answers, pods: int = 1, namespace: str | None = "ward") -> float:
    """Return for how many seconds the last of some pods that come at once waits."""
    took: list[float] = []

    async def main() -> None:
        loop, namespaces = asyncio.get_running_loop(), answers.namespaces()
        await asyncio.gather(*(namespaces.until_ready("hds", namespace) for _ in range(pods)))
        took.append(loop.time())
        if answers.ready_at < LONGEST_WAIT and not answers.fails:
            asked = answers.asked
            await namespaces.until_ready("hds", namespace)
            assert answers.asked == asked, "what is known is not asked again"

    run(main())
    return took[0]


def test_a_namespace_that_is_ready_takes_a_question_about_it_and_one_about_its_policy() -> None:
    answers = Answers(0)
    assert waited(answers) < CHECK_SECONDS
    assert answers.asked == 2


def test_all_pods_of_a_namespace_share_the_questions() -> None:
    answers = Answers(0.45)
    assert 0.45 <= waited(answers, pods=50) < 0.7
    assert answers.asked <= 12


@pytest.mark.parametrize("namespace", ["ward", None])
def test_a_pod_of_a_policy_that_has_only_just_begun_to_encrypt_waits_for_its_role(namespace: str | None) -> None:
    """Until then guard-every-pod.yaml takes the injected pod for a copy, by whichever way it gets its certificate."""
    assert 0.45 <= waited(Answers(0, encrypts_at=0.45), namespace=namespace) < 0.7


def test_where_the_role_need_not_list_namespaces_nobody_waits_for_that() -> None:
    answers = Answers(60)
    assert waited(answers, namespace=None) < CHECK_SECONDS
    assert answers.asked == 1


def test_nobody_waits_longer_than_an_api_server_does() -> None:
    assert waited(Answers(60)) <= LONGEST_WAIT + CHECK_SECONDS


def test_nobody_waits_for_an_api_server_that_does_not_answer() -> None:
    answers = Answers(0, fails=True)
    assert waited(answers) < CHECK_SECONDS
    assert answers.asked == 1
