"""How errors of the API server are classified."""

import pytest

from sovereign_operator.kube.client.errors import RefusedError, UnavailableError, from_status


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "etcdserver: request is too large"),
        (
            500,
            "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2628933 vs. 2097152)",
        ),
        (413, "Request entity too large: limit is 3145728"),
        (422, "Node is invalid: metadata.annotations: Too long: may not be more than 262144 bytes"),
    ],
)
def test_what_api_servers_say_of_an_object_that_is_too_large_is_a_refusal(status: int, said: str) -> None:
    assert isinstance(from_status(status, said), RefusedError)


def test_a_server_that_fails_refuses_nothing() -> None:
    assert isinstance(from_status(500, "etcdserver: leader changed"), UnavailableError)
