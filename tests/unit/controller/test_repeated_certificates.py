"""A second certificate for a volume before the first one is due for renewal is noticed."""

import pytest

from sovereign_operator.controller.observed.repeated_certificates import REMEMBERED, RepeatedCertificates

DUE, LATER = "2030-06-15T16:00:00Z", "2030-06-16T08:00:00Z"


@pytest.mark.parametrize(
    ("volumes", "begins", "again"),
    [
        pytest.param(1, ["2030-06-15T00:00:00Z"], [False], id="the first"),
        pytest.param(1, ["2030-06-15T00:00:00Z", "2030-06-15T01:00:00Z"], [False, True], id="a second"),
        pytest.param(2, ["2030-06-15T00:00:00Z", "2030-06-15T00:00:01Z"], [False, False], id="one a volume"),
        pytest.param(1, ["2030-06-15T00:00:00Z", "2030-06-15T16:01:00Z"], [False, False], id="the next, when due"),
        pytest.param(0, ["2030-06-15T00:00:00Z", "2030-06-15T01:00:00Z"], [False, True], id="the pod is not known"),
    ],
)
def test_one_too_many_is_noticed(volumes: int, begins: list[str], again: list[bool]) -> None:
    issued = RepeatedCertificates()
    ends = [DUE, LATER]
    assert [issued.is_repeated("pod", volumes, begin, end) for begin, end in zip(begins, ends, strict=False)] == again


def test_what_is_remembered_is_bounded() -> None:
    issued = RepeatedCertificates()
    for number in range(REMEMBERED + 1):
        issued.is_repeated(f"pod-{number}", 1, "2030-06-15T00:00:00Z", DUE)
    assert not issued.is_repeated("pod-0", 1, "2030-06-15T01:00:00Z", DUE)
    assert issued.is_repeated(f"pod-{REMEMBERED}", 1, "2030-06-15T01:00:00Z", DUE)
