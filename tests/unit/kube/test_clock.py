"""The time is the API server's, whatever the local clock shows."""

from datetime import UTC, datetime, timedelta

import pytest

from sovereign_operator.kube.client.clock import ServerClock


def test_the_time_is_what_the_server_told_last() -> None:
    clock = ServerClock()
    clock.learn("Sat, 15 Jun 2030 12:00:00 GMT")
    assert timedelta(0) <= clock.now() - datetime(2030, 6, 15, 12, tzinfo=UTC) < timedelta(seconds=30)
    clock.learn("Fri, 14 Jun 2030 12:00:00 GMT")
    assert clock.now() < datetime(2030, 6, 15, tzinfo=UTC)


@pytest.mark.parametrize("header", [None, "", "soon", "Sat, 99 Jun 2030 12:00:00 GMT"])
def test_what_cannot_be_read_changes_nothing(header: str | None) -> None:
    clock = ServerClock()
    clock.learn("Sat, 15 Jun 2030 12:00:00 GMT")
    clock.learn(header)
    assert clock.now().year == 2030
